"""Key files: for their owner alone, whole, of the right kind; and never replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from casemate.client import identities
from casemate.errors import IdentityError


def _pem(key: PrivateKeyTypes, how: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption())


def _put(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "alice.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_a_new_identity_can_be_loaded_and_signs(tmp_path: Path) -> None:
    made = identities.create(tmp_path / "keys", "alice")
    loaded = identities.load(tmp_path / "keys", "alice")
    assert loaded.public == made.public
    made.key.public_key().verify(loaded.key.sign(b"x"), b"x")
    assert identities.names(tmp_path / "keys") == ["alice"]


def test_a_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = identities.create(tmp_path / "keys", "alice").path
    finally:
        os.umask(before)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    made = identities.create(tmp_path, "alice")
    assert "Ed25519PrivateKey" not in repr(made)


def test_an_identity_is_never_replaced(tmp_path: Path) -> None:
    path = identities.create(tmp_path, "alice").path
    before = path.read_bytes()
    with pytest.raises(IdentityError, match="there is an identity alice already"):
        identities.create(tmp_path, "alice")
    assert path.read_bytes() == before


def test_a_key_that_could_not_be_written_leaves_its_name_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(IdentityError, match="No space left"):
            identities.create(tmp_path, "alice")
    assert list(tmp_path.iterdir()) == []
    identities.create(tmp_path, "alice")


@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o644, 0o666, 0o777])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = identities.create(tmp_path, "alice").path
    path.chmod(mode)
    with pytest.raises(IdentityError, match="open to others") as refused:
        identities.load(tmp_path, "alice")
    assert refused.value.got == f"{mode:04o}"
    assert f"chmod 600 {path}" in str(refused.value.remedy)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_key_of_ones_own_may_have_any_mode_of_ones_own(tmp_path: Path, mode: int) -> None:
    identities.create(tmp_path, "alice").path.chmod(mode)
    assert identities.load(tmp_path, "alice").name == "alice"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        b"\xff" * 100,
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        _pem(Ed25519PrivateKey.generate())[:60],
        _pem(Ed25519PrivateKey.generate()).replace(b"M", b"N", 1),
        _pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"passphrase")),
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["empty", "text", "bytes", "no key", "truncated", "damaged", "with a passphrase", "a public key"],
)
def test_a_damaged_key_is_refused(tmp_path: Path, data: bytes) -> None:
    _put(tmp_path, data)
    with pytest.raises(IdentityError, match="is not a private key"):
        identities.load(tmp_path, "alice")


@pytest.mark.parametrize(
    "data",
    [
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(rsa.generate_private_key(65537, 2048)),
        _pem(ed448.Ed448PrivateKey.generate()),
        _pem(dsa.generate_private_key(1024)),
    ],
    ids=["p256", "rsa", "ed448", "dsa"],
)
def test_a_key_of_another_kind_is_refused(tmp_path: Path, data: bytes) -> None:
    _put(tmp_path, data)
    with pytest.raises(IdentityError, match=r"is not (an Ed25519 key|a private key)"):
        identities.load(tmp_path, "alice")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "is not a file"),
        (os.mkdir, "Is a directory"),
        (lambda path: os.symlink(path, path), "symbolic links"),
    ],
)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: object, reason: str) -> None:
    make(tmp_path / "alice.pem")  # type: ignore[operator]
    with pytest.raises(IdentityError, match=reason):
        identities.load(tmp_path, "alice")


def test_a_missing_identity_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no identity alice") as refused:
        identities.load(tmp_path / "nowhere", "alice")
    assert refused.value.remedy == "casemate identity create alice"
    assert identities.names(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../alice", "a/b", "Alice", "-a", "_a", "a" * 64, "älice", "a b", "a\n"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    for call in (identities.create, identities.load):
        with pytest.raises(IdentityError, match="not a name"):
            call(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_is_allowed(tmp_path: Path) -> None:
    assert identities.create(tmp_path, "a" * 63).name == "a" * 63


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(IdentityError, match=r"(File exists|Not a directory)"):
            identities.create(folder, "alice")
        with pytest.raises(IdentityError, match="Not a directory"):
            identities.load(folder, "alice")
