"""Answers that are not the pinned custodian's, to this request, now: none is believed, and each says why."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client.custodian import discover
from casemate.errors import NotGenuineError
from casemate.wire import dsse
from casemate.wire.fields import b64u_decode, b64u_encode

from .conftest import Asked, FakeCustodian, Reply, text_of

OTHER = Ed25519PrivateKey.generate()

Lie = Callable[[FakeCustodian, Reply, Asked], Reply]


def _resigned(**changes: object) -> Lie:
    """The answer under another certificate, correctly signed by the key that it names."""

    def lie(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
        certificate = custodian.certificate(**changes)
        return custodian.signed(reply.status, reply.body, asked.signature, certificate=certificate)

    return lie


def _foreign(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    certificate = custodian.certificate(key=text_of(OTHER), signers=(OTHER,))
    return custodian.signed(200, reply.body, asked.signature, certificate=certificate, key=OTHER)


def _forged(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    """The genuine certificate, and a signature by somebody else that names the genuine key."""
    fake = custodian.signed(200, reply.body, asked.signature, key=OTHER)
    honest = custodian.signed(200, reply.body, asked.signature)
    named = honest.headers["signature-input"]
    return fake.with_headers(signature_input=named)


NOW = datetime.now(UTC).replace(microsecond=0)


def _by_itself(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    return _resigned(signers=(custodian.instance_key,))(custodian, reply, asked)


def _by_two(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    return _resigned(signers=(custodian.identity_key, OTHER))(custodian, reply, asked)


def _digest_too(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    other = custodian.signed(200, b"{}", asked.signature)
    return replace(reply, body=b"{}").with_headers(content_digest=other.headers["content-digest"])


def _made_a_success(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
    return replace(custodian.signed(403, reply.body, asked.signature), status=200)


def _compressed(_custodian: FakeCustodian, reply: Reply, _asked: Asked) -> Reply:
    return replace(reply, body=gzip.compress(reply.body)).with_headers(content_encoding="gzip")


def _two_signatures(_custodian: FakeCustodian, reply: Reply, _asked: Asked) -> Reply:
    return reply.with_headers(signature=f"{reply.headers['signature']}, x=:AAAA:")


def _padded(size: int) -> Lie:
    """A genuine certificate, blown up with spaces that JSON allows, and a signature over it."""

    def lie(custodian: FakeCustodian, reply: Reply, asked: Asked) -> Reply:
        envelope = b64u_decode(custodian.certificate().header())
        instance = b64u_encode(envelope.ljust(size * 3 // 4))
        assert len(instance) == size
        return custodian.signed(200, reply.body, asked.signature, instance=instance)

    return lie


LIES: dict[str, tuple[Lie, str]] = {
    "no certificate": (lambda c, r, a: r.with_headers(casemate_instance=None), "instance.form"),
    "no signature": (lambda c, r, a: r.with_headers(signature=None), "signature.form"),
    "no signature input": (lambda c, r, a: r.with_headers(signature_input=None), "signature.form"),
    "no digest": (lambda c, r, a: r.with_headers(content_digest=None), "signature.verify"),
    "a certificate that is no text": (lambda c, r, a: r.with_headers(casemate_instance="%%%"), "instance.form"),
    "a certificate over the limit": (_padded(8196), "instance.form"),
    "a certificate of something else": (_resigned(payload_type=dsse.POLICY_TYPE), "instance.signature"),
    "a certificate with a field too many": (_resigned(more={"ca": True}), "instance.form"),
    "a certificate by a stranger": (_foreign, "instance.signature"),
    "a certificate by its own key": (
        lambda c, r, a: _resigned(signers=(c.instance_key,))(c, r, a),
        "instance.signature",
    ),
    "a certificate by two": (_by_two, "instance.signature"),
    "another custodian's certificate": (_resigned(custodian="sha256:" + "0" * 64), "instance.custodian"),
    "a certificate of tomorrow": (_resigned(start=NOW + timedelta(hours=1)), "instance.times"),
    "a certificate of yesterday": (_resigned(start=NOW - timedelta(hours=25)), "instance.times"),
    "a certificate for too long": (_resigned(lifetime=timedelta(hours=24, seconds=1)), "instance.times"),
    "signed by another key": (lambda c, r, a: c.signed(200, r.body, a.signature, key=OTHER), "signature.key"),
    "a forged signature": (_forged, "signature.verify"),
    "an answer to nobody": (lambda c, r, a: c.signed(200, r.body, None), "signature.form"),
    "another status": (lambda c, r, a: replace(r, status=201), "signature.verify"),
    "a refusal made a success": (
        lambda c, r, a: replace(c.signed(403, r.body, a.signature), status=200),
        "signature.verify",
    ),
    "another body": (lambda c, r, a: replace(r, body=r.body + b" "), "signature.content"),
    "another body with its digest": (_digest_too, "signature.verify"),
    "compressed on the way": (_compressed, "signature.content"),
    "two signatures": (_two_signatures, "signature.form"),
    "a page for people": (lambda c, r, a: Reply(200, {"content-type": "text/html"}, b"<h1>Hi</h1>"), "instance.form"),
    "an empty answer": (lambda c, r, a: Reply(200, {}, b""), "instance.form"),
    "an unsigned refusal": (lambda c, r, a: Reply(403, {}, r.body), "instance.form"),
    "an unsigned failure": (lambda c, r, a: Reply(502, {}, b"bad gateway"), "instance.form"),
}


@pytest.mark.parametrize("name", LIES)
def test_an_answer_that_is_not_genuine_is_not_believed(custodian: FakeCustodian, name: str) -> None:
    lie, step = LIES[name]
    custodian.change = lambda reply, asked: lie(custodian, reply, asked)
    with custodian.client() as client, pytest.raises(NotGenuineError) as refused:
        client.custodian()
    assert refused.value.step == step
    assert refused.value.expected == custodian.genesis.identity()


def test_the_largest_certificate_is_believed(custodian: FakeCustodian) -> None:
    custodian.change = lambda reply, asked: _padded(8192)(custodian, reply, asked)
    with custodian.client() as client:
        assert client.custodian().identity == custodian.genesis.identity()


def test_a_genuine_answer_is_believed_whatever_its_label(custodian: FakeCustodian) -> None:
    """Headers that nobody signed decide nothing."""
    custodian.change = lambda reply, _: reply.with_headers(content_type="text/html", x_more="1")
    with custodian.client() as client:
        assert client.custodian().identity == custodian.genesis.identity()
        assert client.instance().key == text_of(custodian.instance_key)


def test_a_recorded_answer_is_no_answer_to_the_next_request(custodian: FakeCustodian) -> None:
    first: list[Reply] = []

    def replay(reply: Reply, _asked: Asked) -> Reply:
        first.append(reply)
        return first[0]

    custodian.change = replay
    with custodian.client() as client:
        client.custodian()
        with pytest.raises(NotGenuineError) as refused:
            client.custodian()
    assert refused.value.step == "signature.verify"


def test_every_request_has_a_signature_of_its_own(custodian: FakeCustodian) -> None:
    with custodian.client() as client:
        client.custodian()
        client.custodian()
    assert len({asked.signature for asked in custodian.asked}) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(custodian: FakeCustodian, status: int) -> None:
    custodian.change = lambda reply, asked: replace(reply, status=status).with_headers(
        location=custodian.url + "/other"
    )
    with custodian.client() as client, pytest.raises(NotGenuineError):
        client.custodian()
    assert [asked.target for asked in custodian.asked] == ["/v1/custodian"]


def test_the_environment_sends_no_request_to_a_proxy(custodian: FakeCustodian, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with custodian.client() as client:
        assert client.custodian().identity == custodian.genesis.identity()


def test_a_discovered_custodian_must_sign_as_what_it_says_to_be(custodian: FakeCustodian) -> None:
    assert discover(custodian.url) == custodian.genesis
    custodian.change = lambda reply, asked: _foreign(custodian, reply, asked)
    with pytest.raises(NotGenuineError) as refused:
        discover(custodian.url)
    assert refused.value.step == "instance.signature"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b'{"genesis":"e30","identity":"x","version":"","time":""}',
        b"[" * 100_000,
        b" " * 2**21,
    ],
)
def test_what_is_no_custodian_is_not_discovered(custodian: FakeCustodian, body: bytes) -> None:
    custodian.change = lambda reply, _: replace(reply, body=body)
    with pytest.raises(NotGenuineError, match="no custodian"):
        discover(custodian.url)
