"""What each kind makes, and what it takes as its fields."""

from __future__ import annotations

import base64
import re
from collections import Counter
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from casemate.errors import SecretError
from casemate.secrets.catalogue import KINDS, SCHEMAS, kind
from casemate.secrets.keyring import part
from casemate.secrets.kind import Making

from .conftest import DIGEST, START, Policy, spec

ENCODINGS = {
    "base64url": (r"[A-Za-z0-9_-]{32}", lambda text: base64.urlsafe_b64decode(text)),
    "hex": (r"[0-9a-f]{48}", bytes.fromhex),
    "base64": (r"[A-Za-z0-9+/]{32}", base64.b64decode),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_random_secret_is_its_bytes_in_its_encoding(policy: Policy, encoding: str) -> None:
    policy.update({"x": {"kind": "random", "bytes": 24, "encoding": encoding}})
    form, decode = ENCODINGS[encoding]
    text = policy.part("x").decode()
    assert re.fullmatch(form, text)
    assert len(decode(text)) == 24


@pytest.mark.parametrize(("size", "characters"), [(16, 22), (24, 33), (32, 44), (1024, 1377)])
def test_an_alphanumeric_secret_has_the_strength_that_was_asked_for(policy: Policy, size: int, characters: int) -> None:
    policy.update({"x": {"kind": "random", "bytes": size, "encoding": "alphanumeric"}})
    text = policy.part("x").decode()
    assert re.fullmatch(r"[A-Za-z0-9]+", text)
    assert len(text) == characters
    assert 62 ** len(text) >= 256**size


def test_no_letter_is_likelier_than_another() -> None:
    """Every byte that is taken stands for one of 62 letters, four bytes for each; the eight others are left out."""
    kind = spec({"kind": "random", "bytes": 1024, "encoding": "alphanumeric"})

    def made(chosen: bytes) -> bytes:
        making = Making("x", START, lambda size: (chosen * size)[:size], None, lambda _: b"")
        return KINDS["random"].generate(kind, making)["value"]

    counted = Counter(made(bytes(range(248)))[:248])
    assert set(counted.values()) == {4}
    assert len(counted) == 62
    assert set(made(bytes([*range(248, 256), 10]))) == {ord("K")}


def test_a_random_secret_is_another_one_each_time(policy: Policy) -> None:
    names = [f"x{number}" for number in range(50)]
    policy.update({name: {"kind": "random", "bytes": 16} for name in names})
    assert len({policy.part(name) for name in names}) == 50


@pytest.mark.parametrize("algorithm", ["ed25519", "p256", "p384", "rsa3072"])
def test_a_private_key_and_its_public_key_belong_together(policy: Policy, algorithm: str) -> None:
    policy.update({"x": {"kind": "private-key", "algorithm": algorithm}})
    pem = policy.part("x")
    assert pem == policy.part("x", "private_key")
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    private, public = load_pem_private_key(pem, None), load_pem_public_key(policy.part("x", "public_key"))
    assert private.public_key() == public
    match private:
        case ed25519.Ed25519PrivateKey():
            found = "ed25519"
        case ec.EllipticCurvePrivateKey():
            found = {"secp256r1": "p256", "secp384r1": "p384"}[private.curve.name]
        case rsa.RSAPrivateKey():
            found = f"rsa{private.key_size}"
            assert private.public_key().public_numbers().e == 65537
    assert found == algorithm


def test_a_volume_key_is_32_random_bytes(policy: Policy) -> None:
    policy.update({"x": {"kind": "volume-key"}, "y": {"kind": "volume-key"}})
    assert len(base64.urlsafe_b64decode(policy.part("x") + b"=")) == 32
    assert policy.part("x") != policy.part("y")


def test_a_value_is_what_its_owner_sealed(policy: Policy) -> None:
    policy.update({"x": {"kind": "value", "commitment": DIGEST}}, {"x": b"\x00hunter2\xff"})
    assert policy.part("x") == b"\x00hunter2\xff"
    assert policy.opened == [DIGEST]


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "random", "bytes": 15},
        {"kind": "random", "bytes": 1025},
        {"kind": "random", "bytes": "16"},
        {"kind": "random", "bytes": 16.0},
        {"kind": "random", "bytes": True},
        {"kind": "random", "bytes": 16, "encoding": "base32"},
        {"kind": "random", "bytes": 16, "length": 1},
        {"kind": "random"},
        {"kind": "random", "bytes": 16, "rotate": -1},
        {"kind": "random", "bytes": 16, "rotate": 2**31},
        {"kind": "random", "bytes": 16, "rotate": True},
        {"kind": "value"},
        {"kind": "value", "commitment": "sha256:0"},
        {"kind": "value", "commitment": DIGEST.upper()},
        {"kind": "value", "commitment": DIGEST, "value": "hunter2"},
        {"kind": "private-key"},
        {"kind": "private-key", "algorithm": "rsa1024"},
        {"kind": "private-key", "algorithm": "Ed25519"},
        {"kind": "volume-key", "bytes": 16},
    ],
    ids=repr,
)
def test_fields_outside_their_form_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(value)


@pytest.mark.parametrize("size", [16, 1024])
def test_fields_are_taken_at_their_limits(size: int) -> None:
    assert spec({"kind": "random", "bytes": size, "rotate": 2**31 - 1}).to_object()["bytes"] == size


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(SCHEMAS)), st.data())
def test_any_fields_are_a_spec_or_refused(name: str, data: st.DataObject) -> None:
    model = SCHEMAS[name].spec
    value = {field: data.draw(JSON) for field in model.model_fields} | {"kind": name}
    try:
        found = model.model_validate(value)
    except ValidationError:
        return
    assert model.model_validate(found.to_object()) == found


def test_the_catalogue_has_each_kind_under_its_own_name() -> None:
    assert set(KINDS) == {"random", "value", "private-key", "x509-ca", "x509", "volume-key"}
    for name, found in KINDS.items():
        assert kind(name) is found
        assert (found.schema.kind, SCHEMAS[name]) == (name, found.schema)
        assert found.schema.spec.model_fields["kind"].annotation.__args__ == (name,)


def test_a_kind_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(SecretError) as caught:
        kind("password")
    assert caught.value.step == "secrets.kind"
    assert "volume-key" in str(caught.value.expected)


@pytest.mark.parametrize("wanted", ["private_key", "x", ""])
def test_a_part_that_a_kind_does_not_show_is_refused(policy: Policy, wanted: str) -> None:
    """The key of a CA is stored beside its certificate, and no template reaches it."""
    policy.update({"ca": {"kind": "x509-ca", "common_name": "CA"}})
    assert "private_key" in policy.secrets["ca"].material
    with pytest.raises(SecretError) as caught:
        part(policy.secrets["ca"], wanted)
    assert (caught.value.step, caught.value.expected) == ("secrets.part", "certificate")
