"""A made-up platform: whole or not there, one in a folder, random, and for its user alone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from casemate.errors import PlatformError
from casemate.simulator import pki
from casemate.simulator.pki import SimulatedPlatform

PARTS = sorted(["ark.crl", "ark.der", "ask.der", "chip-id", "chip-secret", "revoked.crl", "vcek-key.der", "vcek.der"])


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "platform"
    pki.create(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "platform"))


def test_a_platform_is_for_its_user_alone(made: Path) -> None:
    containers = pki.containers(made)
    for folder, more in ((made, [containers]), (containers, [])):
        assert folder.stat().st_mode & 0o777 == 0o700
        files = [path for path in folder.iterdir() if path not in more]
        assert sorted(path.name for path in files) == PARTS
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)


def test_what_containers_get_has_another_root_chip_and_secret(made: Path) -> None:
    one, other = pki.load(made), pki.load(pki.containers(made))
    assert one.root_fingerprint != other.root_fingerprint
    assert one.derive_key(bytes(48), bytes(32), b"") != other.derive_key(bytes(48), bytes(32), b"")


def test_a_platform_stays_the_same(folder: Path) -> None:
    one, again = pki.load(folder), pki.load(folder)
    assert one.root_fingerprint == again.root_fingerprint
    assert one.derive_key(bytes(48), bytes(32), b"") == again.derive_key(bytes(48), bytes(32), b"")


def test_two_platforms_share_nothing(platform: SimulatedPlatform, folder: Path) -> None:
    other = pki.load(folder)
    assert platform.root_fingerprint != other.root_fingerprint
    assert platform.derive_key(bytes(48), bytes(32), b"") != other.derive_key(bytes(48), bytes(32), b"")


def test_an_existing_platform_is_never_replaced(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(PlatformError, match="there is a simulated platform already"):
        pki.create(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["platform"]


def test_of_two_that_make_a_platform_at_once_one_wins(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have their keys ready before either has its folder."""
    together = threading.Barrier(2)

    def make(_: object) -> dict[str, bytes]:
        together.wait()
        return {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}

    monkeypatch.setattr(pki, "_make", make)
    outcomes: list[str] = []

    def create() -> None:
        try:
            pki.create(tmp_path / "platform")
            outcomes.append("made")
        except PlatformError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "there is a simulated platform already"]
    assert [path.name for path in tmp_path.iterdir()] == ["platform"]


def test_a_platform_that_others_can_read_is_refused(folder: Path) -> None:
    folder.chmod(0o750)
    with pytest.raises(PlatformError, match="open to others") as refused:
        pki.load(folder)
    assert f"chmod 700 {folder}" in str(refused.value.remedy)


@pytest.mark.parametrize("name", PARTS)
def test_a_platform_without_one_of_its_parts_is_none(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PlatformError, match="no simulated platform here"):
        pki.load(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vcek-key.der", lambda data: data[:-1]),
        ("vcek-key.der", lambda data: b""),
        ("chip-id", lambda data: data[:-1]),
        ("chip-secret", lambda data: data + b"\0"),
    ],
)
def test_a_damaged_platform_is_refused(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(PlatformError, match="is damaged"):
        pki.load(folder)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_hold_a_platform_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match=r"platform cannot be made: (Not a directory|File exists)"):
        pki.create(tmp_path / place / "platform")
    with pytest.raises(PlatformError, match="Not a directory"):
        pki.load(tmp_path / place / "platform")
