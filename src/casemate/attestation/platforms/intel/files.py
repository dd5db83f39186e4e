"""Quotes' certificates, Intel's documents and lists as they lie in files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate, pem_blocks, reading
from casemate.attestation.platforms.intel.chain import pem_parts
from casemate.attestation.platforms.intel.machine import SGX_EXTENSIONS, Machine
from casemate.attestation.platforms.intel.quote import PCK_CHAIN, Quote
from casemate.attestation.platforms.intel.reports import EnclaveReport
from casemate.attestation.revocation import list_in
from casemate.errors import EndorsementError
from casemate.wire.evidence import MAX_CRLS, MAX_DOCUMENTS, Endorsements

__all__ = ["common_fields", "endorsements"]

_LABELS: Final = (b"CERTIFICATE", b"X509 CRL")
_ENCODED: Final = re.compile(rb"%([0-9a-fA-F]{2})")
"""Intel's service sends certificates in headers, and there in this way (RFC 3986 §2.1)."""

_CHAINS: Final = ("tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_crl_issuer_chain")
_LISTS: Final = ("root_ca_crl", "pck_crl")
_DOCUMENTS: Final = {"tcb_info": "tcbInfo", "qe_identity": "enclaveIdentity"}
"""Names of a collateral file, as the quoting libraries of several projects write it, and Intel's own."""


def common_fields(quote: Quote) -> dict[str, Any]:
    """Of every quote, for people."""
    attested = quote.attested
    enclave = EnclaveReport.parse(attested.qe_report, "the quoting enclave's report")
    return {
        "version": quote.version,
        "user_data": quote.user_data.hex(),
        "qe_mrsigner": enclave.mr_signer.hex(),
        "qe_attributes": enclave.attributes.hex(),
        "qe_isvprodid": enclave.isv_product,
        "qe_isvsvn": enclave.isv_svn,
        "qe_authentication": attested.authentication.hex(),
        "certification": f"type {attested.certification_type}",
        **_certificates(attested.certification_type, attested.certification),
        "key": attested.point.hex(),
        "signature": attested.signature.hex(),
        "padding": quote.padding,
    }


def endorsements(_data: bytes, files: Sequence[bytes]) -> Endorsements:
    """Of files with certificates and lists (PEM, DER, hexadecimal DER), Intel's documents, and collateral in JSON.

    Errors: EvidenceError.
    """
    certificates: dict[bytes, None] = {}
    lists: dict[bytes, None] = {}
    documents: dict[bytes, None] = {}
    for file in files:
        for part in _parts(file):
            if part.lstrip().startswith(b"{"):
                documents[part] = None
            elif (found := list_in(part)) is not None:
                lists[found] = None
            else:
                certificates[_pem(part)] = None
    if len(lists) > MAX_CRLS or len(documents) > MAX_DOCUMENTS:
        raise _unread(f"{len(lists)} lists and {len(documents)} documents, where {MAX_CRLS} and {MAX_DOCUMENTS} fit")
    return Endorsements(certificates=b"".join(certificates), crls=list(lists), documents=list(documents))


def _parts(file: bytes) -> Iterator[bytes]:
    """Single certificates, lists and documents."""
    if file.lstrip().startswith(b"{"):
        yield from _of_json(file)
    elif pem := pem_blocks(_ENCODED.sub(_decoded, file), *_LABELS):
        yield from pem
    else:
        yield _unhexed(file)


def _of_json(file: bytes) -> Iterator[bytes]:
    """One of Intel's documents as it was sent, or a collateral file."""
    try:
        value: Any = json.loads(file)
    except (ValueError, RecursionError) as error:
        raise _unread("no JSON") from error
    if not isinstance(value, dict) or not value.keys() & {*_CHAINS, *_LISTS, *_DOCUMENTS}:
        yield file
        return
    if not all(isinstance(value.get(name, ""), str) for name in (*_CHAINS, *_LISTS, *_DOCUMENTS)):
        raise _unread("a collateral file with something else than text in it")
    for name in _CHAINS:
        yield from pem_blocks(value.get(name, "").encode(), *_LABELS)
    for name in _LISTS:
        if name in value:
            yield _unhexed(value[name].encode())
    for name, inner in _DOCUMENTS.items():
        if name in value:
            signature = value.get(f"{name}_signature")
            yield f'{{"{inner}":{value[name]},"signature":"{signature}"}}'.encode()


def _decoded(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match.group(1).decode())


def _unhexed(data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        return data


def _pem(part: bytes) -> bytes:
    with reading("certificate", "evidence.certificates"):
        load = x509.load_pem_x509_certificate if part.startswith(b"-----") else x509.load_der_x509_certificate
        return load(part).public_bytes(Encoding.PEM)


def _certificates(kind: int, data: bytes) -> dict[str, Any]:
    if kind != PCK_CHAIN:
        return {"certification_data": data.hex()}
    parts = [Certificate.parse(der, "certificate of the quote") for der in pem_parts(data)]
    extension = parts[0].extensions.get(SGX_EXTENSIONS) if parts else None
    machine = {} if extension is None else _machine(Machine.parse(extension))
    return {"certificates": [one.common_name for one in parts], **machine}


def _machine(machine: Machine) -> dict[str, Any]:
    return {
        "ppid": machine.ppid.hex(),
        "fmspc": machine.fmspc.hex(),
        "pce_id": machine.pce_id.hex(),
        "pce_svn": machine.pce_svn,
        "memory": machine.memory,
        "smt": machine.smt,
        "machine_tcb": ".".join(map(str, machine.components)),
    }


def _unread(why: str) -> EndorsementError:
    return EndorsementError(f"an endorsement cannot be read: {why}", step="evidence.documents")
