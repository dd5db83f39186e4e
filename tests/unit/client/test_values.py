"""Values that an owner brings: only the custodian opens them, and only as what they were sealed for."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.client.values import SealedValue, seal_value
from casemate.errors import MalformedError, SecretError
from casemate.wire import canonical
from casemate.wire.binding import hpke_key_text, sha256_text
from casemate.wire.fields import b64u_decode
from casemate.wire.sealing import open_sealed, value_commitment, value_info

KEY = X25519PrivateKey.generate()
PLACE = {"name": "token", "custodian": "sha256:" + "1" * 64, "genesis": "sha256:" + "2" * 64}


def _seal(value: bytes) -> SealedValue:
    return seal_value(value, sealing_key=hpke_key_text(KEY.public_key().public_bytes_raw()), **PLACE)


def _open(sealed: SealedValue, key: X25519PrivateKey = KEY, **changes: str) -> dict[str, Any]:
    info = value_info(**{**PLACE, "commitment": sealed.commitment, **changes})
    value: dict[str, Any] = canonical.decode_canonical(open_sealed(sealed.sealed, key, info=info))
    return value


@pytest.mark.parametrize("value", [b"", b"hunter2", bytes(range(256)), b"x" * 100_000])
def test_the_custodian_opens_what_was_sealed_and_finds_it_committed_to(value: bytes) -> None:
    sealed = _seal(value)
    opened = _open(sealed)
    salt = b64u_decode(opened["salt"])
    assert (b64u_decode(opened["value"]), len(salt)) == (value, 32)
    assert sealed.commitment == sha256_text(value_commitment(salt, value))


def test_a_commitment_gives_nothing_away_about_a_value_that_could_be_guessed() -> None:
    assert _seal(b"yes").commitment != _seal(b"yes").commitment


@pytest.mark.parametrize("part", ["name", "custodian", "genesis", "commitment"])
def test_a_sealed_value_opens_as_nothing_else(part: str) -> None:
    with pytest.raises(SecretError) as refused:
        _open(_seal(b"hunter2"), **{part: "other" if part == "name" else "sha256:" + "3" * 64})
    assert refused.value.step == "hpke.open"


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SecretError):
        _open(_seal(b"hunter2"), X25519PrivateKey.generate())


def test_a_key_that_nobody_can_have_is_refused() -> None:
    with pytest.raises(MalformedError) as refused:
        seal_value(b"hunter2", sealing_key="x25519:" + "A" * 43, **PLACE)
    assert refused.value.step == "hpke.key"
