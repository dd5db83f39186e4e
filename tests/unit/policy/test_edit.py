"""A policy file in which one value is put: the rest stays to the last character."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import UsageError
from casemate.policy.edit import put

TEXT = """\
# head
services:
  api:   # the first
    workload: {manifest: "sha256:0"}   # zeros
    # before
    files:
      /run/a: {content: "x"}
      /run/b:
        content: y   # why

    lease: "300s"
  other: {a: 1, b: {}}

  empty:
# tail
access: {read: {any: [alice]}}
"""


@pytest.mark.parametrize(
    "path",
    [
        ("services", "api", "workload", "manifest"),
        ("services", "api", "workload"),
        ("services", "api", "files"),
        ("services", "api", "files", "/run/b"),
        ("services", "api", "lease"),
        ("services", "api", "image"),
        ("services", "other", "c"),
        ("services", "other", "b", "c"),
        ("services", "empty", "c"),
        ("services", "new", "c", "d"),
        ("services", "api"),
        ("services",),
        ("secrets", "new"),
        ("access", "read"),
    ],
)
def test_a_value_is_put_and_nothing_else_changes(path: tuple[str, ...]) -> None:
    value = {"key": "a: b # {c}", "list": [1, "ü"]}
    changed = put(TEXT, path, value)
    assert yaml.safe_load(changed) == expected(yaml.safe_load(TEXT), path, value)
    assert put(changed, path, value) == changed
    assert "# head" in changed
    assert "# tail" in changed


def test_comments_beside_and_before_stay() -> None:
    changed = put(TEXT, ("services", "api", "workload", "manifest"), "sha256:1")
    assert changed == TEXT.replace('"sha256:0"', '"sha256:1"')
    added = put(TEXT, ("services", "api", "image"), {"key": "k"})
    assert added == TEXT.replace("    workload:", "    image: {key: k}\n    workload:")


@pytest.mark.parametrize("text", ["[1]", "a: [", "a: 1"])
def test_what_has_no_place_for_it_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        put(text, ("a", "b"), 1)


NAMES = st.text(alphabet="abc", min_size=1, max_size=2)
VALUES = st.recursive(
    st.text(max_size=3) | st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


@given(
    document=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=3),
    first=NAMES,
    second=NAMES,
    value=VALUES,
    flow=st.sampled_from([True, False, None]),
)
def test_any_document_in_any_style_takes_any_value(
    document: dict[str, Any], first: str, second: str, value: Any, flow: bool | None
) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow)
    assert yaml.safe_load(put(text, (first, second), value)) == expected(document, (first, second), value)


def expected(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = expected(document.get(name) or {}, tuple(rest), value) if rest else value
    return {**document, name: inner}
