"""Names of places: what is meant is clear, or it is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import UsageError
from casemate.image.places import Archive, Folder, Reference, Storage, parse

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("oci:/a/b", Folder(Path("/a/b"), None)),
        ("oci:/a:v1.2", Folder(Path("/a"), "v1.2")),
        ("oci-archive:/a.tar:x", Archive(Path("/a.tar"), "x", of_docker=False)),
        ("docker-archive:/a.tar:acme/api:1", Archive(Path("/a.tar"), "acme/api:1", of_docker=True)),
        ("docker-archive:/a.tar:localhost:5000/api:1", Archive(Path("/a.tar"), "localhost:5000/api:1", of_docker=True)),
        ("docker://localhost:5000/a/b", Reference("localhost:5000", "a/b", "latest")),
        ("docker://r.example/a__b:1", Reference("r.example", "a__b", "1")),
        (f"docker://[::1]:5000/a@{DIGEST}", Reference("[::1]:5000", "a", DIGEST)),
        ("containers-storage:localhost/api:1", Storage("localhost/api:1")),
    ],
)
def test_each_form_is_read(text: str, place: object) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", "oci", "oci:", "oci:/a:", "oci:/a:b:c", "oci:/a\0b", "docker:r.example/a", "docker://acme/api", "docker://r.example/A",
        "docker://r.example/a:", "docker://r.example/../a", f"docker://r.example/a@sha512:{'0' * 128}", "docker://r.example/a?x=1",
        "docker://user@r.example/a", "docker://r.example/" + "a" * 250, "containers-storage:--help", "dir:/a", "https://r.example/a",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a place"):
        parse(text)


@given(st.text(alphabet="dockeri-:/.[]@ \0%\n5", max_size=30))
def test_any_text_is_a_place_or_our_own_error(text: str) -> None:
    with suppress(UsageError):
        parse(text)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:1", True), ("127.9.9.9", True), ("[::1]:5000", True),
        ("r.example", False), ("localhost.r.example:80", False), ("10.0.0.1", False), ("[fd00::1]", False),
        ("127.0.0.1.r.example", False),
    ],
)  # fmt: skip
def test_only_a_registry_on_this_machine_is_asked_in_the_clear(host: str, is_local: bool) -> None:
    assert Reference(host, "a", "latest").is_local is is_local
