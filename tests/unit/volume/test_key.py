"""Volume keys in files."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import UsageError
from casemate.volume import key


def test_a_made_key_is_read_and_is_its_owners_alone(tmp_path: Path) -> None:
    key.create(tmp_path / "K")
    assert (tmp_path / "K").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", key.load(tmp_path / "K"))
    key.create(tmp_path / "L")
    assert key.load(tmp_path / "K") != key.load(tmp_path / "L")


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    key.create(tmp_path / "K")
    before = key.load(tmp_path / "K")
    with pytest.raises(UsageError, match="exists"):
        key.create(tmp_path / "K")
    assert key.load(tmp_path / "K") == before


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    key.create(tmp_path / "K")
    (tmp_path / "K").chmod(mode)
    with pytest.raises(UsageError, match="others may read"):
        key.load(tmp_path / "K")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 43,
        "casemate-volume-key:v1:" + "A" * 42,
        "casemate-volume-key:v1:" + "A" * 44,
        "casemate-volume-key:v1:" + "A" * 42 + "B",
        "casemate-volume-key:v1:" + "A" * 43 + "\n\n",
        "casemate-volume-key:v2:" + "A" * 43,
        "casemate-volume-key:v1:" + "A" * 42 + "+",
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    _written(tmp_path / "K", text.encode())
    with pytest.raises(UsageError, match="no volume key"):
        key.load(tmp_path / "K")


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_key_or_our_own_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("key") / "K"
    _written(path, data)
    with suppress(UsageError):
        assert len(key.load(path)) == 43


def _written(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)
