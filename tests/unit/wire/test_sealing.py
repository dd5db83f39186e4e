"""HPKE: what is sealed opens with one key for one use. Foreign ciphertexts are in spec/vectors."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import MalformedError, SecretError
from casemate.wire.binding import hpke_key_text
from casemate.wire.sealing import open_sealed, seal, value_commitment, value_info

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
RECIPIENT = hpke_key_text(KEY.public_key().public_bytes_raw())
DIGEST = "sha256:" + "0" * 64


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_what_is_sealed_opens_for_the_same_use(plaintext: bytes, info: bytes) -> None:
    sealed = seal(plaintext, RECIPIENT, info=info)
    assert open_sealed(sealed, KEY, info=info) == plaintext
    with pytest.raises(SecretError) as caught:
        open_sealed(sealed, KEY, info=info + b"x")
    assert caught.value.step == "hpke.open"


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_by_our_own_error(sealed: bytes) -> None:
    with pytest.raises(SecretError):
        open_sealed(sealed, KEY, info=b"")


def test_sealing_twice_gives_other_bytes() -> None:
    assert seal(b"x", RECIPIENT, info=b"") != seal(b"x", RECIPIENT, info=b"")


def test_sealed_bytes_show_the_length_and_nothing_else() -> None:
    assert len(seal(b"", RECIPIENT, info=b"")) == 32 + 16
    assert b"hunter2" not in seal(b"hunter2", RECIPIENT, info=b"")


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
    ids=lambda point: point.hex()[:8],
)
def test_a_key_of_small_order_is_not_sealed_to(point: bytes) -> None:
    """RFC 7748 §6.1: the shared secret would be zero, and anybody could open it."""
    with pytest.raises(MalformedError) as caught:
        seal(b"x", hpke_key_text(point), info=b"")
    assert caught.value.step == "hpke.key"


@pytest.mark.parametrize("recipient", ["", "x25519:", RECIPIENT[:-1], RECIPIENT + "=", "rsa:" + RECIPIENT[7:]])
def test_what_is_no_key_is_not_sealed_to(recipient: str) -> None:
    with pytest.raises(MalformedError) as caught:
        seal(b"x", recipient, info=b"")
    assert str(caught.value.step).startswith("encoding.")


def test_every_part_of_a_value_s_use_is_bound() -> None:
    one = {"custodian": DIGEST, "genesis": DIGEST, "name": "a", "commitment": DIGEST}
    other = {
        "custodian": "sha256:" + "1" * 64,
        "genesis": "sha256:" + "1" * 64,
        "name": "b",
        "commitment": "sha256:" + "1" * 64,
    }
    uses = [value_info(**one), *(value_info(**{**one, part: other[part]}) for part in one)]
    assert len(set(uses)) == 5


def test_a_commitment_keeps_the_border_between_salt_and_value() -> None:
    assert value_commitment(b"ab", b"c") != value_commitment(b"a", b"bc")
    assert value_commitment(b"", b"") != value_commitment(bytes(1), b"")
