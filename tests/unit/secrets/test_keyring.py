"""Secrets over the versions of a policy: made once, kept, changed on purpose only, renewed before they end."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError, SecretError
from casemate.secrets.keyring import MAX_STORED_BYTES, StoredSecret
from casemate.wire.fields import b64u_encode

from .conftest import CA, DIGEST, TLS, Policy

OTHER = "sha256:" + "b" * 64
DOCUMENT: dict[str, dict[str, Any]] = {
    "random": {"kind": "random", "bytes": 24},
    "key": {"kind": "private-key", "algorithm": "ed25519"},
    "ca": CA,
    "tls": TLS,
    "volume": {"kind": "volume-key"},
    "brought": {"kind": "value", "commitment": DIGEST},
}
CHANGES: dict[str, dict[str, Any]] = {
    "random": {"bytes": 25},
    "key": {"algorithm": "p256"},
    "ca": {"common_name": "another CA"},
    "tls": {"dns": ["other.records"]},
    "volume": {"kind": "random", "bytes": 32},
}


@pytest.fixture
def settled(policy: Policy) -> Policy:
    policy.update(DOCUMENT, {"brought": b"hunter2"})
    return policy


def changed(name: str, **fields: Any) -> dict[str, dict[str, Any]]:
    document = copy.deepcopy(DOCUMENT)
    document[name] = {**document[name], **fields}
    return document


def test_secrets_stay_the_same_over_updates(settled: Policy) -> None:
    before = dict(settled.secrets)
    for _ in range(3):
        settled.after(days=1)
        settled.update({**DOCUMENT, "more": {"kind": "random", "bytes": 16}})
    assert {name: settled.secrets[name] for name in before} == before
    assert settled.opened == [DIGEST]


def test_defaults_that_are_written_out_change_nothing(settled: Policy) -> None:
    before = settled.part("random")
    settled.update(changed("random", encoding="base64url", rotate=0))
    assert settled.part("random") == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_without_rotate_is_refused(settled: Policy, name: str) -> None:
    before = dict(settled.secrets)
    with pytest.raises(SecretError) as caught:
        settled.update(changed(name, **CHANGES[name]) if name != "volume" else {**DOCUMENT, name: CHANGES[name]})
    assert (caught.value.step, caught.value.got) == ("secrets.rotate", "rotate: 0")
    assert caught.value.remedy == "write rotate: 1 if a new secret is wanted"
    assert settled.secrets == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_rotate_that_grows_makes_a_new_secret(settled: Policy, name: str) -> None:
    before = settled.part(name)
    settled.update(changed(name, rotate=1))
    assert settled.part(name) != before
    assert settled.secrets[name].rotate == 1


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "volume"])
def test_fields_may_change_with_rotate(settled: Policy, name: str) -> None:
    settled.update(changed(name, **CHANGES[name], rotate=1))
    assert settled.secrets[name].spec["rotate"] == 1


def test_a_kind_may_change_with_rotate(settled: Policy) -> None:
    settled.update({**DOCUMENT, "volume": {"kind": "random", "bytes": 32, "rotate": 1}})
    assert settled.secrets["volume"].kind == "random"


@pytest.mark.parametrize("rotate", [0, 1, 2])
def test_a_rotate_that_does_not_grow_makes_none(settled: Policy, rotate: int) -> None:
    settled.update(changed("random", rotate=2))
    before = settled.part("random")
    if rotate == 2:
        settled.update(changed("random", rotate=rotate))
        assert settled.part("random") == before
        return
    with pytest.raises(SecretError) as caught:
        settled.update(changed("random", rotate=rotate))
    assert (caught.value.step, caught.value.expected) == ("secrets.rotate", "the fields as they were, or rotate: 3")


def test_a_key_rotated_alone_leaves_the_others_as_they_are(settled: Policy) -> None:
    before = {name: secret for name, secret in settled.secrets.items() if name != "key"}
    settled.update(changed("key", rotate=1))
    assert {name: settled.secrets[name] for name in before} == before


def test_another_commitment_is_another_value_and_needs_no_rotate(settled: Policy) -> None:
    settled.update(changed("brought", commitment=OTHER), {"brought": b"new"})
    assert settled.part("brought") == b"new"
    assert settled.opened == [DIGEST, OTHER]


def test_a_value_that_did_not_come_along_is_asked_for(settled: Policy) -> None:
    with pytest.raises(SecretError) as caught:
        settled.update(changed("brought", commitment=OTHER))
    assert caught.value.step == "secrets.sealed"
    assert "casemate policy seal" in str(caught.value.remedy)


def test_a_value_that_does_not_fit_its_commitment_is_refused(policy: Policy) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update({"x": {"kind": "value", "commitment": DIGEST}}, {"x": b"forged"})
    assert caught.value.step == "secrets.commitment"
    assert policy.secrets == {}


@pytest.mark.parametrize("name", ["random", "nowhere"])
def test_a_sealed_value_that_nobody_asked_for_is_refused(policy: Policy, name: str) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update({"random": DOCUMENT["random"]}, {name: b"x"})
    assert caught.value.step == "secrets.sealed"
    assert name in caught.value.message


def test_issuers_are_made_first_whatever_their_names_are(policy: Policy) -> None:
    policy.update({"a": {**TLS, "issuer": "z"}, "z": CA, "b": {**TLS, "issuer": "z"}})
    for name in ("a", "b"):
        policy.certificate(name).verify_directly_issued_by(policy.certificate("z"))


def test_a_certificate_without_its_authority_is_refused(policy: Policy) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update({"tls": TLS})
    assert caught.value.step == "secrets.issue"


def test_a_certificate_follows_its_authority_and_keeps_its_key(settled: Policy) -> None:
    key, serial = settled.part("tls", "private_key"), settled.certificate("tls").serial_number
    settled.update(changed("ca", rotate=1))
    assert settled.certificate("tls").serial_number != serial
    assert settled.part("tls", "private_key") == key
    assert settled.part("tls", "ca") == settled.part("ca", "certificate")
    settled.certificate("tls").verify_directly_issued_by(settled.certificate("ca"))


def test_a_stored_secret_is_read_as_it_was_written(settled: Policy) -> None:
    for secret in settled.secrets.values():
        assert StoredSecret.from_bytes(secret.to_bytes()) == secret


def test_the_largest_value_that_a_request_carries_is_stored(policy: Policy) -> None:
    largest = bytes(1024 * 1024)
    policy.update({"x": {"kind": "value", "commitment": DIGEST}}, {"x": largest})
    data = policy.secrets["x"].to_bytes()
    assert len(data) < MAX_STORED_BYTES
    assert StoredSecret.from_bytes(data).material["value"] == largest


@given(st.binary(max_size=200))
def test_any_bytes_are_a_stored_secret_or_our_own_error(data: bytes) -> None:
    with pytest.raises(InputError):
        StoredSecret.from_bytes(data)


# Keys of images, which their owner made before any custodian heard of them

IMAGE_KEY = b"k" * 32
BROUGHT = {"image": {"kind": "volume-key", "commitment": DIGEST}}


def test_a_key_that_its_owner_brings_is_the_custodians(policy: Policy) -> None:
    policy.update(BROUGHT, {"image": IMAGE_KEY})
    assert policy.part("image") == b64u_encode(IMAGE_KEY).encode()
    assert policy.opened == [DIGEST]
    policy.update(BROUGHT)
    assert policy.part("image") == b64u_encode(IMAGE_KEY).encode()


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33, b64u_encode(IMAGE_KEY).encode()])
def test_a_key_of_another_length_is_refused(policy: Policy, key: bytes) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update(BROUGHT, {"image": key})
    assert (caught.value.step, caught.value.got) == ("secrets.key", f"{len(key)} bytes")


def test_a_key_that_did_not_come_along_is_refused_and_not_made(policy: Policy) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update(BROUGHT)
    assert caught.value.step == "secrets.sealed"
    assert policy.secrets == {}


def test_a_sealed_key_without_a_commitment_is_refused(policy: Policy) -> None:
    with pytest.raises(SecretError) as caught:
        policy.update({"image": {"kind": "volume-key"}}, {"image": IMAGE_KEY})
    assert caught.value.step == "secrets.sealed"


def test_another_commitment_is_another_key_and_none_is_an_accident(policy: Policy) -> None:
    policy.update(BROUGHT, {"image": IMAGE_KEY})
    policy.update({"image": {"kind": "volume-key", "commitment": OTHER}}, {"image": b"n" * 32})
    assert policy.part("image") == b64u_encode(b"n" * 32).encode()
    with pytest.raises(SecretError) as caught:
        policy.update({"image": {"kind": "volume-key"}})
    assert caught.value.step == "secrets.rotate"
