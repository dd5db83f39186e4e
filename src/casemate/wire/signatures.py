"""HTTP message signatures: the strict profile of RFC 9421 that spec/protocol.md describes.

Signing and verifying build the same text from the same parts, so there is one spelling of everything. A header that
this module would not have written is refused.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from casemate.errors import MalformedError, SignatureError
from casemate.wire.binding import key_bytes, signing_key_text
from casemate.wire.fields import b64u_encode

__all__ = [
    "RequestSignature",
    "SignedHeaders",
    "content_digest",
    "sign_request",
    "sign_response",
    "verify_content",
    "verify_request",
    "verify_response",
]

_LABEL: Final = "casemate"
_REQUEST_COMPONENTS: Final = '("@method" "@path" "@query" "content-digest")'
_RESPONSE_COMPONENTS: Final = '("@status" "content-digest" "casemate-instance" "signature";req;key="casemate")'
_UNBOUND_COMPONENTS: Final = '("@status" "content-digest" "casemate-instance")'
# Of the last characters of a key, a nonce and a signature only some bits count; the others are zero.
_KEY: Final = r"ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_CREATED: Final = r"created=(?P<created>0|[1-9][0-9]{0,11})"
_REQUEST_PARAMS: Final = re.compile(
    rf";{_CREATED};nonce=\"(?P<nonce>[A-Za-z0-9_-]{{21}}[AQgw])\""
    rf";keyid=\"(?P<key>{_KEY})\";alg=\"ed25519\";tag=\"casemate-request-v1\""
)
_RESPONSE_PARAMS: Final = re.compile(
    rf";{_CREATED};keyid=\"(?P<key>{_KEY})\";alg=\"ed25519\";tag=\"casemate-response-v1\""
)
_SIGNATURE: Final = re.compile(rf"{_LABEL}=:(?P<value>[A-Za-z0-9+/]{{85}}[AQgw]==):")


@dataclass(frozen=True, slots=True)
class SignedHeaders:
    """The header values that go with a signed message."""

    content_digest: str
    signature_input: str
    signature: str

    def as_headers(self) -> dict[str, str]:
        return {
            "content-digest": self.content_digest,
            "signature-input": self.signature_input,
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """A request's signature that verified: by `key` (`ed25519:…`), made at `created` (Unix seconds), unique `nonce`."""

    key: str
    created: int
    nonce: str


def content_digest(body: bytes) -> str:
    """RFC 9530, `sha-256=:…:`."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def verify_content(body: bytes, header: str) -> None:
    if content_digest(body) != header:
        raise SignatureError("the body is not what was signed", step="signature.content")


def sign_request(
    key: Ed25519PrivateKey, *, method: str, path: str, query: str, body: bytes, created: int, nonce: bytes
) -> SignedHeaders:
    """`path` starts with `/`; `query` is without `?`; `nonce` is 16 random bytes."""
    digest = content_digest(body)
    keyid = signing_key_text(key.public_key().public_bytes_raw())
    params = (
        f'{_REQUEST_COMPONENTS};created={created};nonce="{b64u_encode(nonce)}"'
        f';keyid="{keyid}";alg="ed25519";tag="casemate-request-v1"'
    )
    return _sign(key, digest, params, _request_base(method, path, query, digest, params))


def verify_request(headers: dict[str, str], *, method: str, path: str, query: str, body: bytes) -> RequestSignature:
    """Who signed this request. `SignatureError`, `MalformedError`. The caller judges `created` and what the key may.

    `headers` has lower-case names; `path` and `query` as they were sent, not decoded.
    """
    params, match = _parse(headers, _REQUEST_COMPONENTS, _REQUEST_PARAMS)
    digest = headers.get("content-digest", "")
    verify_content(body, digest)
    _check(match["key"], headers["signature"], _request_base(method, path, query, digest, params))
    return RequestSignature(match["key"], int(match["created"]), match["nonce"])


def sign_response(
    key: Ed25519PrivateKey,
    *,
    status: int,
    body: bytes,
    instance: str,
    request_signature: str | None,
    created: int,
    keyid: str,
) -> SignedHeaders:
    """`instance` is the Casemate-Instance header, `request_signature` the Signature header of the request, if any."""
    digest = content_digest(body)
    components = _UNBOUND_COMPONENTS if request_signature is None else _RESPONSE_COMPONENTS
    params = f'{components};created={created};keyid="{keyid}";alg="ed25519";tag="casemate-response-v1"'
    return _sign(key, digest, params, _response_base(status, digest, instance, request_signature, params))


def verify_response(
    headers: dict[str, str], *, status: int, body: bytes, request_signature: str, instance_key: str
) -> None:
    """This answer is by `instance_key`, whole, and to this very request. `SignatureError`, `MalformedError`."""
    params, match = _parse(headers, _RESPONSE_COMPONENTS, _RESPONSE_PARAMS)
    if match["key"] != instance_key:
        raise SignatureError("signed by a key that the instance certificate does not name", step="signature.key")
    digest, instance = headers.get("content-digest", ""), headers.get("casemate-instance", "")
    base = _response_base(status, digest, instance, request_signature, params)
    _check(instance_key, headers["signature"], base)
    verify_content(body, digest)


def _parse(headers: dict[str, str], components: str, params: re.Pattern[str]) -> tuple[str, re.Match[str]]:
    given = headers.get("signature-input", "")
    prefix = f"{_LABEL}={components}"
    match = params.fullmatch(given[len(prefix) :]) if given.startswith(prefix) else None
    if match is None or "signature" not in headers:
        raise SignatureError(
            "no signature of the documented form",
            step="signature.form",
            expected=f"Signature-Input: {_LABEL}={components};…",
            remedy="sign as spec/protocol.md says, with exactly these components",
        )
    return given[len(_LABEL) + 1 :], match


def _request_base(method: str, path: str, query: str, digest: str, params: str) -> bytes:
    return _base(
        f'"@method": {method}',
        f'"@path": {path}',
        f'"@query": ?{query}',
        f'"content-digest": {digest}',
        f'"@signature-params": {params}',
    )


def _response_base(status: int, digest: str, instance: str, request_signature: str | None, params: str) -> bytes:
    lines = [f'"@status": {status}', f'"content-digest": {digest}', f'"casemate-instance": {instance}']
    if request_signature is not None:
        lines.append(f'"signature";req;key="{_LABEL}": :{_signature_value(request_signature)}:')
    return _base(*lines, f'"@signature-params": {params}')


def _base(*lines: str) -> bytes:
    """RFC 9421 §2.5. A value that would begin a line of its own is none that a header can hold."""
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise SignatureError("a component that no header can hold", step="signature.form")
    return "\n".join(lines).encode()


def _sign(key: Ed25519PrivateKey, digest: str, params: str, base: bytes) -> SignedHeaders:
    signature = base64.b64encode(key.sign(base)).decode()
    return SignedHeaders(digest, f"{_LABEL}={params}", f"{_LABEL}=:{signature}:")


def _check(key: str, header: str, base: bytes) -> None:
    try:
        signature = base64.b64decode(_signature_value(header), validate=True)
        Ed25519PublicKey.from_public_bytes(key_bytes(key)).verify(signature, base)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("the message is not as it was signed", step="signature.verify", got=key) from error


def _signature_value(header: str) -> str:
    match = _SIGNATURE.fullmatch(header)
    if match is None:
        raise MalformedError("not a Signature header of the documented form", step="signature.form")
    return match["value"]
