"""DSSE envelopes: a signature counts for one purpose, one payload and one key; one bad signature spoils all."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, InputError, MalformedError, NotCanonicalError, SignatureError, TooLargeError
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.dsse import INSTANCE_TYPE, MAX_SIGNATURES, POLICY_TYPE, Envelope, open_envelope, sign_envelope

PAYLOAD = {"a": 1}


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def name(number: int) -> str:
    return signing_key_text(key(number).public_key().public_bytes_raw())


def signed(*numbers: int, value: Any = PAYLOAD, kind: str = POLICY_TYPE) -> dict[str, Any]:
    return sign_envelope(kind, value, [key(number) for number in numbers]).to_object()


def raw(payload: bytes, kind: str = POLICY_TYPE) -> dict[str, Any]:
    """Signed as it is, canonical or not."""
    base = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    signature = base64.b64encode(key(1).sign(base)).decode()
    encoded = base64.b64encode(payload).decode()
    return {"payloadType": kind, "payload": encoded, "signatures": [{"keyid": name(1), "sig": signature}]}


def opened(envelope: dict[str, Any], kind: str = POLICY_TYPE, **limits: int) -> tuple[Any, frozenset[str]]:
    parsed = canonical.parse_model(Envelope, envelope, what="envelope")
    return open_envelope(parsed, kind, **limits)


def test_an_envelope_gives_its_payload_and_its_signers() -> None:
    assert opened(signed(1, 2, 3)) == (PAYLOAD, frozenset({name(1), name(2), name(3)}))


def test_the_signed_bytes_are_those_of_the_dsse_specification() -> None:
    """The example of the protocol's own page: type `http://example.com/HelloWorld`, payload `hello world`."""
    base = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    envelope = raw(b"hello world", "http://example.com/HelloWorld")
    key(1).public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), base)
    with pytest.raises(MalformedError) as caught:
        opened(envelope, "http://example.com/HelloWorld")
    assert caught.value.step == "json.syntax"  # Its signature counts; it is no JSON.


@pytest.mark.parametrize("kind", [INSTANCE_TYPE, POLICY_TYPE.upper(), POLICY_TYPE + " ", ""])
def test_a_signature_for_one_purpose_does_not_serve_another(kind: str) -> None:
    with pytest.raises(SignatureError) as caught:
        opened(signed(1, kind=kind))
    assert (caught.value.step, caught.value.expected) == ("dsse.type", POLICY_TYPE)


def test_an_envelope_that_only_claims_another_purpose_is_refused() -> None:
    with pytest.raises(SignatureError) as caught:
        opened({**signed(1, kind=INSTANCE_TYPE), "payloadType": POLICY_TYPE})
    assert caught.value.step == "dsse.signature"


def test_type_and_payload_cannot_trade_places() -> None:
    """The lengths are signed: moving the border between the two changes what is signed."""
    kind = "a 1 b"
    envelope = raw(b'"x"', kind)
    moved = base64.b64encode(b'b 3 "x"').decode()
    with pytest.raises(SignatureError) as caught:
        opened({**envelope, "payloadType": "a", "payload": moved}, "a")
    assert caught.value.step == "dsse.signature"


def test_a_key_counts_once() -> None:
    envelope = signed(1)
    with pytest.raises(SignatureError) as caught:
        opened({**envelope, "signatures": envelope["signatures"] * 2})
    assert caught.value.step == "dsse.keys"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_signature_spoils_the_good_ones(position: int) -> None:
    envelope = signed(1, 2, 3)
    envelope["signatures"][position]["sig"] = signed(1, value={"b": 1})["signatures"][0]["sig"]
    with pytest.raises(SignatureError) as caught:
        opened(envelope)
    assert (caught.value.step, caught.value.got) == ("dsse.signature", name(position + 1))


def test_a_signature_counts_for_its_own_key_only() -> None:
    envelope = signed(1, 2)
    one, two = envelope["signatures"]
    one["sig"], two["sig"] = two["sig"], one["sig"]
    with pytest.raises(SignatureError):
        opened(envelope)


def test_another_payload_is_not_what_was_signed() -> None:
    with pytest.raises(SignatureError) as caught:
        opened({**signed(1), "payload": signed(1, value={"a": 2})["payload"]})
    assert caught.value.step == "dsse.signature"


def test_the_number_of_signatures_is_limited_at_its_value() -> None:
    most = range(1, MAX_SIGNATURES + 1)
    assert len(opened(signed(*most))[1]) == MAX_SIGNATURES
    several = signed(*most)["signatures"] + signed(MAX_SIGNATURES + 1)["signatures"]
    for signatures in ([], several):
        with pytest.raises(MalformedError) as caught:
            opened({**signed(1), "signatures": signatures})
        assert caught.value.step == "envelope.schema"


@pytest.mark.parametrize("payload", [b'{"a": 1}', b'{"b":1,"a":2}', b'"\\u0061"', b"{}\n"])
def test_a_payload_that_is_not_canonical_is_refused_though_it_was_signed(payload: bytes) -> None:
    with pytest.raises(NotCanonicalError):
        opened(raw(payload))


def test_a_payload_is_limited_at_its_value() -> None:
    payload = b'"' + b"a" * 98 + b'"'
    assert opened(raw(payload), limit=100)[0] == "a" * 98
    with pytest.raises(TooLargeError):
        opened(raw(payload), limit=99)


@pytest.mark.parametrize("text", ["e30", "e31=", "e30=\n", "_w==", "e30==", "=", "\u00e9", "e3 0="])
def test_payloads_have_one_spelling_in_base64(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        opened({**raw(b"{}"), "payload": text})
    assert caught.value.step == "encoding.base64"


@pytest.mark.parametrize("change", ["stray", "short", "long", "alphabet"])
def test_signatures_have_one_spelling_in_base64(change: str) -> None:
    envelope = signed(1)
    sig = envelope["signatures"][0]["sig"]
    spelled = {
        "stray": sig[:85] + chr(ord(sig[85]) + 1) + "==",
        "short": sig[:84],
        "long": sig[:-2] + "AAAA",
        "alphabet": "-_" + sig[2:],
    }
    envelope["signatures"][0]["sig"] = spelled[change]
    with pytest.raises(MalformedError):
        opened(envelope)


@given(st.text(), st.text(), st.text(alphabet="ABQgw+/=-_", max_size=88))
def test_any_envelope_is_opened_or_refused_by_our_own_error(kind: str, payload: str, sig: str) -> None:
    envelope = {"payloadType": kind, "payload": payload, "signatures": [{"keyid": name(1), "sig": sig.ljust(88, "A")}]}
    with pytest.raises(CasemateError):
        opened(envelope, kind)


@given(st.binary(max_size=40))
def test_any_signed_payload_is_a_value_or_refused_by_our_own_error(payload: bytes) -> None:
    try:
        value, signers = opened(raw(payload))
    except InputError:
        return
    assert (canonical.encode(value), signers) == (payload, frozenset({name(1)}))
