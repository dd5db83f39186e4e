"""HTTP message signatures: one spelling, over everything that counts. The vectors have every way to be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, MalformedError, SignatureError
from casemate.wire.binding import signing_key_text
from casemate.wire.fields import b64u_decode
from casemate.wire.signatures import (
    RequestSignature,
    content_digest,
    sign_request,
    sign_response,
    verify_content,
    verify_request,
    verify_response,
)

from .conftest import named, vectors

REQUESTS, ANSWERS = vectors("request-signatures"), vectors("answer-signatures")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYID = signing_key_text(KEY.public_key().public_bytes_raw())


def verified(case: dict[str, Any]) -> RequestSignature:
    message = {name: case[name] for name in ("method", "path", "query")}
    return verify_request(case["headers"], body=case["body"].encode(), **message)


def believed(case: dict[str, Any]) -> None:
    verify_response(
        case["headers"],
        status=case["status"],
        body=case["body"].encode(),
        request_signature=ANSWERS["request_signature"],
        instance_key=ANSWERS["instance_key"],
    )


@pytest.mark.parametrize("case", REQUESTS["good"], ids=named)
def test_a_request_is_signed_as_the_vectors_say(case: dict[str, Any]) -> None:
    signed = sign_request(
        Ed25519PrivateKey.from_private_bytes(b64u_decode(case["seed"])),
        **{name: case[name] for name in ("method", "path", "query", "created")},
        body=case["body"].encode(),
        nonce=b64u_decode(case["nonce"]),
    )
    assert signed.as_headers() == case["headers"]


@pytest.mark.parametrize("case", REQUESTS["good"], ids=named)
def test_a_signed_request_says_who_signed_it_and_when(case: dict[str, Any]) -> None:
    assert verified(case) == RequestSignature(case["key"], case["created"], case["nonce"])


@pytest.mark.parametrize("case", REQUESTS["hostile"], ids=named)
def test_a_request_that_is_not_as_it_was_signed_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises((SignatureError, MalformedError)) as caught:
        verified(case)
    assert caught.value.step == case["step"]


@pytest.mark.parametrize("case", ANSWERS["good"], ids=named)
def test_an_answer_to_this_request_is_believed(case: dict[str, Any]) -> None:
    believed(case)


@pytest.mark.parametrize("case", ANSWERS["hostile"], ids=named)
def test_an_answer_that_is_not_as_it_was_signed_is_not_believed(case: dict[str, Any]) -> None:
    with pytest.raises((SignatureError, MalformedError)) as caught:
        believed(case)
    assert caught.value.step == case["step"]


@given(
    st.binary(max_size=64),
    st.integers(100, 999),
    st.integers(0, 10**12 - 1),
    st.from_regex("[A-Za-z0-9_-]*", fullmatch=True),
)
def test_what_is_signed_here_is_believed_here(body: bytes, status: int, created: int, instance: str) -> None:
    asked = sign_request(KEY, method="POST", path="/x", query="", body=body, created=created, nonce=bytes(16))
    verify_request(asked.as_headers(), method="POST", path="/x", query="", body=body)
    answered = sign_response(
        KEY,
        status=status,
        body=body,
        instance=instance,
        request_signature=asked.signature,
        created=created,
        keyid=KEYID,
    )
    headers = {**answered.as_headers(), "casemate-instance": instance}
    verify_response(headers, status=status, body=body, request_signature=asked.signature, instance_key=KEYID)


@given(
    st.dictionaries(
        st.sampled_from(["content-digest", "signature", "signature-input", "casemate-instance"]), st.text()
    ),
    st.text(),
    st.binary(),
)
def test_any_message_is_believed_or_refused_by_our_own_error(headers: dict[str, str], text: str, body: bytes) -> None:
    with pytest.raises(CasemateError):
        verify_request(headers, method=text, path=text, query=text, body=body)
    with pytest.raises(CasemateError):
        verify_response(headers, status=200, body=body, request_signature=text, instance_key=text)


GOOD = REQUESTS["good"][0]


@given(st.sampled_from(sorted(GOOD["headers"])), st.integers(0, 300), st.characters())
def test_any_other_character_in_a_header_is_refused(header: str, at: int, character: str) -> None:
    text = GOOD["headers"][header]
    at %= len(text)
    if text[at] == character:
        return
    headers = {**GOOD["headers"], header: text[:at] + character + text[at + 1 :]}
    with pytest.raises(CasemateError):
        verified({**GOOD, "headers": headers})


def test_an_answer_to_nobody_can_be_made_and_no_caller_believes_it() -> None:
    answered = sign_response(
        KEY, status=400, body=b"{}", instance="e30", request_signature=None, created=1, keyid=KEYID
    )
    headers = {**answered.as_headers(), "casemate-instance": "e30"}
    asked = sign_request(KEY, method="POST", path="/", query="", body=b"", created=1, nonce=bytes(16))
    with pytest.raises(SignatureError) as caught:
        verify_response(headers, status=400, body=b"{}", request_signature=asked.signature, instance_key=KEYID)
    assert caught.value.step == "signature.form"


def test_the_digest_of_a_body_is_that_of_rfc_9530() -> None:
    # RFC 9530, appendix B.1: a body of one line.
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    verify_content(b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
    with pytest.raises(SignatureError) as caught:
        verify_content(b"\n", content_digest(b""))
    assert caught.value.step == "signature.content"
