"""Limits of manifests, at their values and over them. What single manifests must not say is in spec/vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError, ManifestError, TooLargeError
from casemate.wire import canonical
from casemate.wire.manifest import (
    MAX_MANIFEST_BYTES,
    MAX_ROOT_ENTRIES,
    Manifest,
    ParsedManifest,
    is_loader_variable,
    parse_manifest,
)

from .conftest import vectors

GOOD = vectors("manifests")["good"][0]["manifest"].encode()


def manifest(**changes: Any) -> dict[str, Any]:
    return {**canonical.decode(GOOD), **changes}


def entries(count: int) -> list[dict[str, Any]]:
    program = {"path": "/bin/api", "type": "file", "digest": "sha256:" + "0" * 64, "size": 0, "mode": "0555"}
    return [program, *({"path": f"/x{n:06}", "type": "symlink", "target": "x"} for n in range(count - 1))]


LISTS: dict[str, tuple[int, Callable[[int], dict[str, Any]]]] = {
    "root": (MAX_ROOT_ENTRIES, lambda n: manifest(root=entries(n), mounts=[])),
    "writable": (
        64,
        lambda n: manifest(writable=[{"path": f"/w{i:02}", "mode": "0700", "size": 4096} for i in range(n)]),
    ),
    "mounts": (16, lambda n: manifest(mounts=[{"path": f"/m{i:02}", "access": "read"} for i in range(n)])),
    "volumes": (16, lambda n: manifest(volumes=[{"path": f"/v{i:02}"} for i in range(n)])),
    "files": (64, lambda n: manifest(files=[f"/run/f{i:02}" for i in range(n)])),
    "entrypoint": (64, lambda n: manifest(entrypoint=["/bin/api"] * n)),
    "arguments": (1024, lambda n: manifest(arguments=["{{ hole.port }}"] * n)),
    "environment": (
        1024,
        lambda n: manifest(environment={"A": "{{ hole.token }}"} | {f"V{i}": "" for i in range(n - 1)}),
    ),
    "holes": (
        64,
        lambda n: manifest(
            holes={f"h{i}": {"pattern": "x", "from": "host"} for i in range(n)},
            arguments=[f"{{{{ hole.h{i} }}}}" for i in range(n)],
            environment={},
        ),
    ),
}


@pytest.mark.parametrize("field", LISTS)
def test_lists_are_taken_at_their_limit_and_refused_over_it(field: str) -> None:
    most, make = LISTS[field]
    parsed = canonical.parse_model(Manifest, make(most), what="manifest")
    assert len(getattr(parsed, field)) == most
    with pytest.raises(InputError) as caught:
        canonical.parse_model(Manifest, make(most + 1), what="manifest")
    assert caught.value.message.startswith(f"manifest: {field}: ")


def padded(size: int) -> bytes:
    """A manifest of exactly `size` bytes, filled with a variable."""
    empty = canonical.encode(manifest(arguments=["{{ hole.port }}", ""]))
    return canonical.encode(manifest(arguments=["{{ hole.port }}", "x" * (size - len(empty))]))


def test_the_size_is_limited_at_its_value() -> None:
    data = padded(MAX_MANIFEST_BYTES)
    assert len(data) == MAX_MANIFEST_BYTES
    assert parse_manifest(data).data == data
    with pytest.raises(TooLargeError):
        parse_manifest(padded(MAX_MANIFEST_BYTES + 1))


def test_a_manifest_over_its_limit_is_not_built() -> None:
    value = canonical.decode(padded(MAX_MANIFEST_BYTES + 1), limit=2 * MAX_MANIFEST_BYTES)
    with pytest.raises(ManifestError, match="too large"):
        ParsedManifest.build(Manifest.model_validate(value))


@given(st.binary(max_size=100))
def test_any_bytes_give_a_manifest_or_our_own_error(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_manifest(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_any_damage_gives_another_manifest_or_our_own_error(at: int, byte: int, cut: int) -> None:
    for damaged in (GOOD[:at] + bytes([byte]) + GOOD[at + 1 :], GOOD[:cut]):
        try:
            parsed = parse_manifest(damaged)
        except InputError:
            continue
        assert parsed.data == damaged
        assert (parsed.digest == parse_manifest(GOOD).digest) == (damaged == GOOD)


@pytest.mark.parametrize("name", ["PORT", "PATHS", "XLD_PRELOAD", "ld_preload", "ENVIRONMENT", "JAVA", "_PATH"])
def test_variables_that_only_look_like_a_loader_s_may_be_filled(name: str) -> None:
    assert not is_loader_variable(name)
    parse_manifest(canonical.encode(manifest(environment={name: "{{ hole.token }}"})))
