"""Quotes, Intel's documents, certificates and lists as they lie in files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote as percent

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.attestation.platforms.intel.chain import pem_parts
from casemate.attestation.platforms.intel.files import endorsements
from casemate.attestation.platforms.sgx import files as sgx
from casemate.attestation.platforms.tdx import files as tdx
from casemate.attestation.reading import evidence_in
from casemate.errors import EvidenceError, EvidenceMalformedError, InputError
from casemate.testing.intel.plan import pem, right
from casemate.testing.intel.signing import ListPlan
from casemate.wire.evidence import MAX_CRLS, MAX_DOCUMENTS, Endorsements
from tests.unit.attestation.intel import judge

PLAN = right(tdx=True)
SENT = PLAN.endorsements()
AUTHORITY = PLAN.chain[1].issue()
INFO, IDENTITY = SENT.documents
ROOT_LIST, PCK_LIST = SENT.crls


def collateral(**changes: Any) -> bytes:
    """As other projects write it: inner objects as text, signatures and lists in hexadecimal."""

    def inner(document: bytes) -> tuple[str, str]:
        text = document.decode()
        return text[text.index(":") + 1 : text.rindex(',"signature"')], json.loads(document)["signature"]

    (info, info_signature), (identity, identity_signature) = inner(INFO), inner(IDENTITY)
    chain = SENT.certificates.decode()
    content = {
        "pck_crl_issuer_chain": pem(AUTHORITY, PLAN.root).decode(),
        "root_ca_crl": ROOT_LIST.hex(),
        "pck_crl": PCK_LIST.hex(),
        "tcb_info_issuer_chain": chain,
        "tcb_info": info,
        "tcb_info_signature": info_signature,
        "qe_identity_issuer_chain": chain,
        "qe_identity": identity,
        "qe_identity_signature": identity_signature,
        **changes,
    }
    return json.dumps({name: value for name, value in content.items() if value is not None}).encode()


def list_as_pem(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def headers(data: bytes) -> bytes:
    """As Intel's service sends certificates."""
    return percent(data.decode()).encode()


WAYS: dict[str, Callable[[], list[bytes]]] = {
    "collateral": lambda: [collateral()],
    "single files": lambda: [INFO, IDENTITY, SENT.certificates, ROOT_LIST, PCK_LIST],
    "in another order, twice": lambda: [PCK_LIST, SENT.certificates, IDENTITY, ROOT_LIST, INFO, INFO, PCK_LIST],
    "out of headers": lambda: [INFO, IDENTITY, headers(SENT.certificates), ROOT_LIST, PCK_LIST],
    "lists in PEM and hex": lambda: [
        INFO,
        IDENTITY,
        SENT.certificates,
        list_as_pem(ROOT_LIST),
        PCK_LIST.hex().encode(),
    ],
    "certificates in DER": lambda: [INFO, IDENTITY, *pem_parts(SENT.certificates), ROOT_LIST, PCK_LIST],
    "collateral, and what is missing in it": lambda: [collateral(pck_crl=None, qe_identity=None), PCK_LIST, IDENTITY],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_goes_with_a_quote_is_found_in_files(way: str) -> None:
    found = endorsements(PLAN.evidence().report, WAYS[way]())
    assert judge(PLAN, endorsements=found).tcb_status == "up-to-date"
    assert len(found.documents) == len(found.crls) == 2


def test_no_files_are_no_endorsements() -> None:
    assert endorsements(b"", []) == Endorsements(certificates=b"", crls=[], documents=[])


@pytest.mark.parametrize(
    ("file", "step"),
    [
        (b"{", "evidence.documents"),
        (b'{"tcb_info": 7}', "evidence.documents"),
        (collateral(root_ca_crl="zz"), "evidence.certificates"),
        (b"nothing that is known", "evidence.certificates"),
        (b"", "evidence.certificates"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "evidence.certificates"),
    ],
)
def test_what_is_no_endorsement_is_refused(file: bytes, step: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        endorsements(b"", [file])
    assert caught.value.step == step


def test_more_than_travels_with_evidence_is_refused() -> None:
    documents = [INFO.replace(b"}]}", b"}]}" + b" " * number, 1) for number in range(MAX_DOCUMENTS + 1)]
    assert len(endorsements(b"", documents[:MAX_DOCUMENTS]).documents) == MAX_DOCUMENTS
    with pytest.raises(EvidenceError):
        endorsements(b"", documents)
    lists = [ListPlan("Intel SGX Root CA", "root", number=number).issue() for number in range(MAX_CRLS + 1)]
    with pytest.raises(EvidenceError):
        endorsements(b"", lists)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b'{"tcb_info":"' + data))
def test_any_file_gives_endorsements_or_an_error_of_ours(data: bytes) -> None:
    with contextlib.suppress(EvidenceError, InputError):
        endorsements(b"", [data])


@pytest.mark.parametrize(("is_tdx", "version"), [(True, 4), (True, 5), (False, 3), (False, 4), (False, 5)])
def test_quotes_are_recognised_and_shown(is_tdx: bool, version: int) -> None:
    plan = right(tdx=is_tdx, version=version)
    report = plan.evidence().report
    assert evidence_in(report) == plan.evidence()
    assert evidence_in(report.hex().encode(), platform="tdx" if is_tdx else "sgx") == plan.evidence()
    assert (tdx.recognises(report), sgx.recognises(report)) == (is_tdx, not is_tdx)
    shown = (tdx if is_tdx else sgx).fields(report)
    assert shown["ppid"] == (b"p" * 16).hex()
    assert shown["certificates"][2] == "Intel SGX Root CA"
    assert (shown["debug"], shown["padding"], shown["qe_isvsvn"], shown["version"]) == (False, 0, 8, version)
    assert shown["mrtd" if is_tdx else "mrenclave"] == (b"T" * 48 if is_tdx else b"e" * 32).hex()
    with pytest.raises(EvidenceMalformedError):
        (sgx if is_tdx else tdx).fields(report)


def test_a_quote_that_names_its_certificates_only_is_shown() -> None:
    plan = right(tdx=False)
    made = plan.quote.make(b"n" * 8)
    at = made.rindex((5).to_bytes(2, "little") + (8).to_bytes(4, "little"))
    shown = sgx.fields(made[:at] + b"\x01" + made[at + 1 :])
    assert (shown["certification"], shown["certification_data"]) == ("type 1", (b"n" * 8).hex())
