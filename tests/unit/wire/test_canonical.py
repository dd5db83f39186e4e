"""JSON that two parties can only read one way: limits, refused spellings, canonical form (spec/vectors has more)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, InputError, MalformedError, NotCanonicalError, TooLargeError
from casemate.wire import canonical
from casemate.wire.fields import Model

SAFE = 2**53 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Sample(Model):
    number: int
    text: str | None = None


@given(JSON)
def test_what_is_encoded_is_read_back_unchanged(value: Any) -> None:
    assert canonical.decode_canonical(canonical.encode(value)) == value


@given(JSON)
def test_every_other_spelling_of_a_value_is_not_canonical(value: Any) -> None:
    text = json.dumps(value, indent=1).encode()
    assert canonical.decode(text) == value
    if text != canonical.encode(value):
        with pytest.raises(NotCanonicalError):
            canonical.decode_canonical(text)


@given(st.binary(max_size=200) | st.text(alphabet='[]{},:"\\u0d8e1.-ntf ', max_size=60).map(str.encode))
def test_any_bytes_give_a_value_or_our_own_error(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except InputError:
        return
    assert json.loads(data) == value


@given(st.binary(max_size=60) | st.text(alphabet='[]{},"\\a', max_size=40).map(str.encode))
def test_counting_brackets_never_refuses_what_is_flat(data: bytes) -> None:
    """However strings and escapes are mixed: 33 lists side by side are not 33 levels."""
    text = json.dumps(data.decode("latin-1"))
    assert canonical.decode(f"[{'[],' * 40}{text}]".encode()) == [*([[]] * 40), data.decode("latin-1")]


def test_size_is_limited_at_its_value() -> None:
    data = b'"' + b"a" * 98 + b'"'
    assert canonical.decode(data, limit=100) == "a" * 98
    with pytest.raises(TooLargeError) as caught:
        canonical.decode(data, limit=99)
    assert caught.value.step == "json.size"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_limited_at_its_value(opening: str, closing: str) -> None:
    def nested(levels: int) -> bytes:
        return (opening * levels + "1" + closing * levels).encode()

    canonical.decode(nested(canonical.MAX_DEPTH))
    with pytest.raises(MalformedError) as caught:
        canonical.decode(nested(canonical.MAX_DEPTH + 1))
    assert caught.value.step == "json.depth"


def test_brackets_inside_strings_are_no_nesting() -> None:
    text = "[{" * 100 + '"' + "\\"
    assert canonical.decode(json.dumps([text, "[" * 100]).encode()) == [text, "[" * 100]


def test_the_number_of_values_is_limited_at_its_value() -> None:
    def flat(commas: int) -> bytes:
        return b"[" + b"1," * commas + b"1]"

    most = canonical.MAX_VALUES - 1  # One bracket counts, too.
    assert len(canonical.decode(flat(most), limit=2**24)) == canonical.MAX_VALUES
    with pytest.raises(MalformedError) as caught:
        canonical.decode(flat(most + 1), limit=2**24)
    assert caught.value.step == "json.values"


@pytest.mark.parametrize(
    "tail", [b'"' + b'\\"' * 400_000, b'"' + b"\\\\" * 400_000, b'"' * 800_001, b'"\\' * 400_000], ids=range(4)
)
def test_quotation_marks_are_looked_at_once(tail: bytes) -> None:
    """A megabyte of them once took half an hour to refuse: each began a string that was followed to the end."""
    with pytest.raises(MalformedError):
        canonical.decode(b"[" * 40 + tail)


@pytest.mark.parametrize("number", [SAFE, -SAFE, 0, -1])
def test_integers_up_to_the_limit_are_read(number: int) -> None:
    assert canonical.decode(str(number).encode()) == number


@pytest.mark.parametrize("text", [str(SAFE + 1), str(-SAFE - 1), "1" * 5000, "1.0", "1e3", "-0.0", "NaN", "-Infinity"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.decode(text.encode())
    assert caught.value.step == "json.syntax"


@pytest.mark.parametrize("text", [r'"\ud800"', r'["\uDBFF x"]', r'{"\udc00":1}', r'"\udc00\ud800"'])
def test_half_of_a_surrogate_pair_is_no_text(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.decode(text.encode())
    assert caught.value.step == "json.syntax"


def test_both_halves_of_a_surrogate_pair_are_one_character() -> None:
    assert canonical.decode(rb'"\ud83d\udd11 \\ud800"') == "\U0001f511 \\ud800"


@pytest.mark.parametrize("value", [SAFE + 1, {1: 2}, "\ud800", b"bytes", object()], ids=repr)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.encode(value)
    assert caught.value.step == "json.canonical"


def test_endless_nesting_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(MalformedError):
        canonical.encode(endless)


def test_a_wrong_field_is_named_and_its_content_is_not() -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse_model(Sample, {"number": "hunter2"}, what="sample")
    error: CasemateError = caught.value
    assert (error.step, error.got) == ("sample.schema", "int_type")
    assert "sample: number:" in error.message
    assert "hunter2" not in f"{error!r} {error.diagnostics()} {error.__cause__}"


@pytest.mark.parametrize("name", ["\n\x1b[2J", "\u202egnp.exe", "x" * 100_000], ids=["control", "bidi", "long"])
def test_a_name_that_a_stranger_chose_stays_on_one_short_line(name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse_model(Sample, {"number": 1, name: 1}, what="sample")
    assert re.fullmatch(r"[ -~]+", caught.value.message)
    assert len(caught.value.message) < 250


def test_the_whole_is_named_where_no_field_is() -> None:
    with pytest.raises(MalformedError, match=r"sample: \(the whole\)"):
        canonical.parse_model(Sample, [], what="sample")
