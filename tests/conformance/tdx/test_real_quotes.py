"""TDX quotes of real machines, each with what is to be said of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.eventlog import EventLog
from casemate.attestation.platforms.intel.chain import shipped_root
from casemate.attestation.platforms.intel.documents import opened
from casemate.attestation.platforms.intel.endorsed import endorsed
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.reports import TdReport
from casemate.attestation.platforms.intel.tcb import judged
from casemate.attestation.platforms.intel.vouched import pck_chain
from casemate.attestation.platforms.tdx import files
from casemate.attestation.platforms.tdx.verify import _check_log
from casemate.errors import EndorsementError, EvidenceMalformedError, EvidenceRejectedError
from tests.conformance.intel_vectors import FOLDER, Real, check_each_bit, moment, read, refused, signed

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the vectors of real evidence are not here")

_SECOND: Final = timedelta(seconds=1)
_COS: Final = "tdx/go-tdx-guest/cos-113-tdx-quote.dat"
_OLD: Final = "tdx/go-tdx-guest/tdx_prod_quote_SPR_E4.dat"
_OLD_TAIL: Final = b"\nextra bytes(only for testing purpose)\n"
ALL: Final = (
    "tdx/dcap-qvl/tdx_quote",
    "tdx/dcap-qvl/quote_hex.txt",
    "tdx/dcap-qvl/tdx_quote_outdated",
    _COS,
    "tdx/go-tdx-guest/quote_v5_sample.dat",
    "tdx/trustee/tdx_quote_4.dat",
    "tdx/trustee/tdx_quote_5.dat",
    "tdx/trustee/tdx_quote_6.dat",
)


def version_4() -> Real:
    return Real.named(ALL[0], "2025-07-19 10:00:00", "tdx/dcap-qvl/tdx_quote_collateral.json")


def another_machine() -> Real:
    return Real.named(ALL[1], "2025-09-20 10:00:00", "tdx/dcap-qvl/quote_collateral.json")


def documents(*names: str) -> list[Any]:
    """Opened with the certificate of Intel's that signed documents then."""
    found = []
    for pem in (b"sgx/attestation/tcb_signer.pem", b"tdx/dcap-qvl/tdx_quote_collateral.json"):
        data = read(pem.decode())
        start = data.index(b"-----BEGIN") if pem.endswith(b"pem") else -1
        if start < 0:
            import json

            data = json.loads(data)["tcb_info_issuer_chain"].encode()
        key = x509.load_pem_x509_certificates(data)[0].public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        found.append(key)
    return [opened(read(name), found).content for name in names]


def test_a_machine_that_is_up_to_date() -> None:
    claims = version_4().judge()
    assert (claims.platform, claims.tcb_status, claims.advisories) == ("tdx", "up-to-date", ())
    assert claims.tcb == {"evaluation": 17, "module": 0x106}
    assert (claims.values["fmspc"], len(claims.hardware)) == ("b0c06f000000", 16)
    assert claims.values["rtmr3"] == "0" * 96
    assert claims.chosen["tcb-info:tdx:b0c06f000000:evaluation"] == 17


def test_another_machine_that_is_up_to_date() -> None:
    claims = another_machine().judge()
    assert (claims.tcb_status, claims.advisories, claims.values["fmspc"]) == ("up-to-date", (), "20a06f000000")
    assert claims.runtime_measurement != version_4().judge().runtime_measurement
    assert claims.manifest == b"", "its MRCONFIGID is no manifest's digest"


def test_it_holds_to_the_last_second_of_its_collateral_and_from_the_first() -> None:
    real = version_4()
    assert real.but(at=moment("2025-07-19 10:00:34")).judge().tcb_status == "up-to-date"
    refused(real.but(at=moment("2025-07-19 10:00:35")), "evidence.validity")
    first = moment("2025-06-19 10:32:27")
    assert real.but(at=first).judge().tcb_status == "up-to-date"
    refused(real.but(at=first - _SECOND), "evidence.validity")


def test_a_machine_that_no_tcb_level_fits_is_refused() -> None:
    collateral = "tdx/dcap-qvl/tdx_quote_outdated_collateral.json"
    for at in ("2026-02-19 00:00:00", "2026-03-20 10:00:00"):
        refused(Real.named(ALL[2], at, collateral), "evidence.tcb", EvidenceRejectedError)
    refused(Real.named(ALL[2], "2026-03-21 00:00:00", collateral), "evidence.validity")


def test_an_early_machine_is_genuine_and_no_tcb_level_fits_it() -> None:
    whole = read(_OLD)
    with pytest.raises(EvidenceMalformedError) as caught:
        Quote.parse(whole)
    assert caught.value.got == _OLD_TAIL.hex(), "what follows a quote is zeros, or refused"
    quote, chain, enclave = signed(whole.removesuffix(_OLD_TAIL))
    info, identity = documents(
        "tdx/go-tdx-guest/sample_tcbInfo_response", "tdx/go-tdx-guest/sample_qeIdentity_response"
    )
    assert info.issue_date < moment("2023-07-01 01:00:00") < info.next_update
    with pytest.raises(EvidenceRejectedError) as rejected:
        judged(chain.machine, quote.body, enclave.report, info, identity)
    assert rejected.value.step == "evidence.tcb"


def test_an_early_machine_decades_later() -> None:
    names = ("sample_tcbInfo_response", "sample_qeIdentity_response", "pckcrl", "rootcrl.der")
    files_of = (*(f"tdx/go-tdx-guest/{name}" for name in names), "sgx/attestation/tcb_signer.pem")
    real = Real("tdx-quote", read(_OLD).removesuffix(_OLD_TAIL), files_of, moment("2023-07-01 01:00:00"))
    quote = signed(real.quote)[0]
    root = shipped_root().der
    known = endorsed(pck_chain(quote, root), real.endorsements(), root, tdx=True)
    known.check_times(real.at)
    with pytest.raises(EndorsementError) as caught:
        known.check_times(moment("2053-07-01 01:00:00"))
    assert caught.value.step == "evidence.validity"
    refused(real, "evidence.attributes", EvidenceRejectedError)  # without SEPT_VE_DISABLE: before anything else


def test_a_machine_of_tdx_1_5_is_up_to_date() -> None:
    quote, chain, _ = signed(read(ALL[4]))
    assert isinstance(quote.body, TdReport)
    assert quote.body.current_tcb_svn is not None
    info, identity = documents(
        "tdx/go-tdx-guest/sample_tcbinfo_response_v5", "tdx/go-tdx-guest/sample_qeIdentity_response"
    )
    assert info.issue_date < moment("2026-02-03 01:00:00") < info.next_update
    verdict = judged(chain.machine, quote.body, signed(read(ALL[4]))[2].report, info, identity)
    assert (verdict.parts["machine"], verdict.parts["TDX module"]) == ("up-to-date", "up-to-date")


def test_without_all_that_belongs_to_it_a_quote_is_refused() -> None:
    names = ("sample_tcbinfo_response_v5", "pckcrl", "rootcrl.der")
    real = Real.named(ALL[4], "2026-02-03 01:00:00", *(f"tdx/go-tdx-guest/{name}" for name in names))
    refused(real, "evidence.document_signer")


def test_a_padded_quote_is_the_quote() -> None:
    quote = signed(read(_COS))[0]
    assert (quote.padding, len(quote.whole)) == (3065, 4935)
    assert quote.body.report_data == read("tdx/go-tdx-guest/nonce.dat")


def test_the_event_log_of_a_domain_replays_to_its_registers() -> None:
    report = Quote.parse(read(_COS)).body
    assert isinstance(report, TdReport)
    log = read("tdx/go-tdx-guest/ccel_data.dat")
    _check_log(report, log)
    event = EventLog.parse(log).events[-1]
    digest = event.digests["sha384"]
    with pytest.raises(EvidenceRejectedError) as caught:
        _check_log(report, log.replace(digest, bytes(48)))
    assert (caught.value.step, caught.value.got) == ("evidence.log", report.rtmrs[event.register - 1].hex())


def test_a_log_of_another_domain_is_refused() -> None:
    real = version_4().but(log=read("tdx/go-tdx-guest/ccel_data.dat"))
    refused(real, "evidence.log", EvidenceRejectedError)


def test_a_domain_in_debug_mode_is_genuine_and_refused() -> None:
    signed(read("tdx/trustee/tdx_quote_4.dat"))
    refused(Real.named("tdx/trustee/tdx_quote_4.dat", "2024-01-01"), "evidence.debug", EvidenceRejectedError)


def test_what_is_shown_of_a_quote_is_what_others_read() -> None:
    import json

    expected = json.loads(read("tdx/trustee/parse_tdx_claims_expected.json"))["quote"]["body"]
    shown = files.fields(read("tdx/trustee/tdx_quote_4.dat"))
    names = {
        "report_data": "report_data",
        "seam_attributes": "seamattributes",
        "tcb_svn": "tee_tcb_svn",
        "td_attributes": "attributes",
        "mrsigner_seam": "mrsignerseam",
    }
    for name, value in expected.items():
        assert shown[names.get(name, name.replace("_", ""))] == value


@pytest.mark.parametrize("name", ALL)
def test_each_is_a_genuine_quote(name: str) -> None:
    assert files.recognises(read(name))
    quote, chain, _ = signed(read(name))
    assert isinstance(quote.body, TdReport)
    assert files.fields(read(name))["fmspc"] == chain.machine.fmspc.hex()


def test_another_nonce_or_manifest_is_refused() -> None:
    real = version_4()
    assert real.judge(manifest=bytes(32)).manifest == bytes(32)
    refused(real, "evidence.manifest", EvidenceRejectedError, manifest=b"m" * 32)
    refused(real, "evidence.report_data", EvidenceRejectedError, report_data=bytes(64))


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    check_each_bit(version_4())


def test_what_intel_says_of_another_machine_does_not_count() -> None:
    mixed = version_4().but(files=another_machine().files, at=another_machine().at)
    refused(mixed, "evidence.platform")
