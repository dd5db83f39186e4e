"""SGX quotes of real machines, and of a made-up one with a root of its own, each with what is to be said of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import pytest
from cryptography import x509

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel.chain import shipped_root, verified_chain
from casemate.attestation.platforms.intel.documents import opened
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reports import EnclaveReport, TdReport
from casemate.attestation.platforms.intel.signing import p256_key, plain_signature_holds
from casemate.attestation.platforms.intel.tcb import judged
from casemate.attestation.platforms.sgx import files
from casemate.errors import EndorsementError, EvidenceRejectedError
from tests.conformance.intel_vectors import FOLDER, Real, check_each_bit, moment, read, refused, signed

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the vectors of real evidence are not here")

_SECOND: Final = timedelta(seconds=1)
_MADE_UP: Final = "sgx/SGX-TDX-DCAP-QuoteVerificationLibrary"
_PUBLIC: Final = "sgx/attestation"
_DEBUG: Final = "sgx/trustee/occlum_quote.dat"


def genuine() -> Real:
    return Real.named("sgx/dcap-qvl/sgx_quote", "2025-06-25 10:00:00", "sgx/dcap-qvl/sgx_quote_collateral.json")


def test_a_machine_that_wants_software_hardened_and_another_configuration() -> None:
    claims = genuine().judge()
    assert (claims.platform, claims.tcb_status) == ("sgx", "configuration-and-sw-hardening-needed")
    assert claims.advisories == ("INTEL-SA-00289", "INTEL-SA-00615")
    assert claims.report_data == b"Hello, world!".ljust(64, b"\0")
    assert claims.tcb == {"evaluation": 17, "isv": 0, "config": 0}
    assert claims.runtime_measurement.startswith("sha256:33d8736d")


def test_it_holds_to_the_last_second_of_its_collateral_and_from_the_first() -> None:
    first, last = moment("2025-06-19 10:56:11"), moment("2025-07-19 10:01:18")
    for at in (first, last):
        assert genuine().but(at=at).judge().platform == "sgx"
    for at in (first - _SECOND, last + _SECOND):
        refused(genuine().but(at=at), "evidence.validity")


def test_an_enclave_in_debug_mode_is_genuine_and_refused() -> None:
    signed(read(_DEBUG))
    refused(Real.named(_DEBUG, "2024-01-01"), "evidence.debug", EvidenceRejectedError)


def lists_that_ended(at: str) -> Real:
    names = (
        "tcb_signer.pem",
        "root_crl.der",
        "processor_crl.pem",
        "qe_identity.json",
        "fmspc_00906ED50000_2023_07_12.json",
    )
    return Real.named(f"{_PUBLIC}/hw_quote.dat", at, *(f"{_PUBLIC}/{name}" for name in names))


@pytest.mark.parametrize("at", ["2023-05-20", "2023-06-20", "2023-07-20", "2023-08-10"])
def test_where_no_instant_is_good_for_everything_each_is_refused(at: str) -> None:
    refused(lists_that_ended(at), "evidence.validity")


def test_a_machine_that_wants_software_hardened() -> None:
    quote, chain, enclave = signed(read(f"{_PUBLIC}/hw_quote.dat"))
    signer = p256_key(Certificate.parse(read(f"{_PUBLIC}/tcb_signer.pem"), "signer"))
    assert signer is not None
    names = ("fmspc_00906ED50000_2023_07_12.json", "qe_identity.json")
    info, identity = (opened(read(f"{_PUBLIC}/{name}"), [signer]).content for name in names)
    assert info.issue_date < moment("2023-07-12 20:00:00") < moment("2023-08-11 00:00:00") < info.next_update
    verdict = judged(chain.machine, quote.body, enclave.report, info, identity)  # type: ignore[arg-type]
    assert verdict.parts["machine"] == "sw-hardening-needed"


def test_a_quote_under_a_root_of_its_own_is_good_under_that_root_only() -> None:
    quote = Quote.parse(read(f"{_MADE_UP}/quote.dat"))
    parts = b"".join(read(f"{_MADE_UP}/{name}") for name in ("pckCert.pem", "pckSignChain.pem"))
    found = re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----", parts.replace(b"\r", b""), re.DOTALL)
    pem, root = b"\n".join(found), Certificate.parse(found[-1], "root").der
    chain = verified_chain(pem, root)
    assert plain_signature_holds(chain.key, quote.attested.qe_report, quote.attested.qe_signature)
    with pytest.raises(EndorsementError) as caught:
        verified_chain(pem, shipped_root().der)
    assert caught.value.step == "evidence.root"


def test_a_quote_without_certificates_is_refused() -> None:
    refused(Real.named(f"{_MADE_UP}/quote.dat", "2024-01-01"), "evidence.pck")


def test_a_made_up_quote_of_a_trust_domain_is_read() -> None:
    assert isinstance(Quote.parse(read(f"{_MADE_UP}/tdx/quote.dat")).body, TdReport)


def test_the_shipped_root_is_intels() -> None:
    shipped = read("trust-anchors/Intel_SGX_Provisioning_Root_CA.der")
    assert shipped_root().der == shipped
    assert shipped_root().fingerprint == "sha256:44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
    assert x509.load_der_x509_certificate(shipped).subject == shipped_root().subject


@pytest.mark.parametrize("name", ["sgx/dcap-qvl/sgx_quote", _DEBUG, f"{_PUBLIC}/hw_quote.dat"])
def test_each_is_a_genuine_quote(name: str) -> None:
    assert files.recognises(read(name))
    quote, chain, _ = signed(read(name))
    assert isinstance(quote.body, EnclaveReport)
    assert files.fields(read(name))["ppid"] == chain.machine.ppid.hex()


def test_another_nonce_or_manifest_is_refused() -> None:
    refused(genuine(), "evidence.manifest", EvidenceRejectedError, manifest=b"m" * 32)
    refused(genuine(), "evidence.report_data", EvidenceRejectedError, report_data=bytes(64))


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    check_each_bit(genuine())
