"""Quotes, certificates and revocation lists as they lie in files.

What tools write (message, signature, key and values, a file each) says nothing of what goes with what, so only the
whole report is recognised (spec/evidence.md, "Wire form").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate, pem_blocks
from casemate.attestation.platforms.tpm.chain import UNDERSTOOD, is_for
from casemate.attestation.platforms.tpm.key import key_of
from casemate.attestation.platforms.tpm.structures import BEGINNING, Public, Quote
from casemate.errors import EvidenceError
from casemate.wire.evidence import Endorsements

__all__ = ["endorsements", "fields", "recognises"]


def recognises(data: bytes) -> bool:
    """By the head of what the TPM signed, behind its size."""
    return data[2:].startswith(BEGINNING)


def fields(data: bytes) -> dict[str, Any]:
    """Errors: InputError, EvidenceError."""
    quote = Quote.parse(data)
    attest, key = quote.attest, quote.key
    return {
        "qualified_signer": attest.signer.hex(),
        "qualifying_data": attest.extra.hex(),
        "clock": attest.clock,
        "resets": attest.resets,
        "restarts": attest.restarts,
        "safe": attest.safe,
        "firmware_version": f"{attest.firmware:016x}",
        "banks": [bank for bank, _ in attest.selection],
        **{
            f"{bank}_pcr{number}": value.hex()
            for bank, values in quote.values.items()
            for number, value in values.items()
        },
        "pcr_digest": attest.digest.hex(),
        "pcr_digest_matches": quote.digest() == attest.digest,
        "key": f"{key.curve or f'rsa{key.bits}'} {key.scheme or 'no scheme'} {key.algorithm}".strip(),
        "key_attributes": sorted(key.attributes),
        "key_name": key.name.hex(),
        "key_digest": _digest(key),
        "signature_scheme": f"{quote.signature.scheme} {quote.signature.algorithm}",
        "signature": quote.signature.value.hex(),
    }


def endorsements(data: bytes, files: Sequence[bytes]) -> Endorsements:
    """What goes with a quote, of certificates and lists in PEM or DER, in any order; strangers are passed by.

    Errors: EvidenceError.
    """
    certificates: list[Certificate] = []
    lists: list[x509.CertificateRevocationList] = []
    for part in (part for file in files for part in _parts(file)):
        if (found := _list(part)) is not None:
            lists.append(found)
        else:
            certificates.append(Certificate.parse(part, "certificate", understood=UNDERSTOOD))
    chain = _chain(certificates, key_of(Quote.parse(data).key).spki)
    issuers = [one.issuer for one in chain]
    return Endorsements(
        certificates=b"".join(_pem(one) for one in chain),
        crls=[one.public_bytes(Encoding.DER) for one in lists if one.issuer in issuers],
    )


def _digest(key: Public) -> str | None:
    """As policies name the key; None of one that is never believed."""
    try:
        return key_of(key).digest.hex()
    except EvidenceError:
        return None


def _parts(file: bytes) -> list[bytes]:
    """Single certificates and lists."""
    return pem_blocks(file, b"CERTIFICATE", b"X509 CRL") or [file]


def _list(part: bytes) -> x509.CertificateRevocationList | None:
    try:
        if part.startswith(b"-----BEGIN X509 CRL"):
            return x509.load_pem_x509_crl(part)
        return x509.load_der_x509_crl(part)
    except ValueError:
        return None


def _chain(certificates: Sequence[Certificate], spki: bytes) -> list[Certificate]:
    """The key's certificate and those that lead to it, by their names; whether they do is the verifier's to say."""
    leaf = next((one for one in certificates if is_for(one, spki)), None)
    return [] if leaf is None else [leaf, *_above(leaf, certificates)]


def _above(leaf: Certificate, certificates: Sequence[Certificate]) -> Iterator[Certificate]:
    last, left = leaf, list(certificates)
    while (above := next((one for one in left if one.subject == last.issuer), None)) is not None:
        left.remove(above)
        last = above
        yield above


def _pem(certificate: Certificate) -> bytes:
    return x509.load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM)
