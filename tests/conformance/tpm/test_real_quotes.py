"""Quotes of real TPMs, from public repositories: read in place, or the tests are skipped."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.eventlog import EventLog
from casemate.attestation.expectations import Unasked
from casemate.attestation.platforms.tpm.chain import shipped_roots, verified_chain
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EndorsementError, EvidenceError, EvidenceRejectedError
from casemate.testing.tpm.quotes import ALGORITHMS
from casemate.wire.evidence import Endorsements, Evidence

from .real import Google, google, pem, trustee, windows

FOLDER: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "tpm"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the vectors of real evidence are not here")

AT: Final = datetime(2022, 6, 1, tzinfo=UTC)
NONCES: Final = {"gce-cos-85-no-nonce": b"", "gce-cos-85-nonce9009": b"\x90\x09"}
SHA1, SHA256, SHA384 = (ALGORITHMS[bank] for bank in ("sha1", "sha256", "sha384"))


def kept(name: str) -> Google:
    return google(FOLDER / "go-tpm-tools" / f"{name}.pb")


def certificate(name: str) -> bytes:
    return (FOLDER / "go-tpm-tools" / name).read_bytes()


def judge(
    report: bytes,
    certificates: bytes = b"",
    *,
    nonce: bytes | Unasked = Unasked.UNASKED,
    manifest: bytes | Unasked = Unasked.UNASKED,
    log: bytes | None = None,
    at: datetime = AT,
    excused: str = "crl",
) -> VerifiedClaims:
    return verify(
        Evidence(format="tpm-quote", report=report, log=log),
        Endorsements(certificates=certificates, crls=[]),
        roots=Roots(google=True),
        at=at,
        expected=Expected(report_data=nonce, manifest=manifest, excused=frozenset({excused})),
    )


def of_google(name: str, **changes: object) -> VerifiedClaims:
    found = kept(name)
    certificates = found.certificate + pem(certificate("tpm_ek_intermediate_2.crt"))
    arguments: dict[str, object] = {"nonce": NONCES[name], "log": found.log, **changes}
    return judge(found.quotes[SHA256], certificates, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NONCES)
def test_a_quote_of_a_google_machine_verifies_with_its_log(name: str) -> None:
    claims = of_google(name)
    assert (claims.values["authority"], claims.lacks) == ("google", {"crl"})
    assert claims.report_data == NONCES[name]
    assert (claims.values["project"], claims.values["zone"]) == ("google.com:wuale-gcp-testing", "us-central1-a")
    assert claims.values["instance"] == str(0x5E53E3FBBF8306C5)
    assert (claims.details["log_events"], claims.details["log_pcrs"]) == (45, list(range(10)))
    assert claims.details["log_remarks"] == []
    assert claims.details["root"] == "sha256:9bd5285f8fb18502a7947e621ffd470266f49fcd3b73e19a190f690ad32a7caf"


@pytest.mark.parametrize("name", NONCES)
@pytest.mark.parametrize(("bank", "reason"), [(SHA1, "SHA-1"), (SHA384, "without registers")])
def test_its_quotes_of_other_banks_are_refused(name: str, bank: int, reason: str) -> None:
    with pytest.raises(EvidenceRejectedError, match=reason) as caught:
        judge(kept(name).quotes[bank])
    assert caught.value.step == "evidence.banks"


def test_without_a_waiver_the_missing_list_refuses() -> None:
    with pytest.raises(EndorsementError) as caught:
        of_google("gce-cos-85-no-nonce", excused="nothing")
    assert caught.value.step == "evidence.crl"


def test_another_nonce_and_every_manifest_are_refused() -> None:
    for changes, step in (({"nonce": b"\x90\x10"}, "report_data"), ({"manifest": bytes(32)}, "manifest")):
        with pytest.raises(EvidenceRejectedError) as caught:
            of_google("gce-cos-85-nonce9009", **changes)
        assert caught.value.step == f"evidence.{step}"


def test_the_log_of_another_machine_is_refused() -> None:
    with pytest.raises(EvidenceRejectedError) as caught:
        of_google("gce-cos-85-no-nonce", log=certificate("rhel8-uefi.bin"))
    assert caught.value.step == "evidence.log"


def test_certificates_hold_from_their_first_to_their_last_second() -> None:
    name = "gce-cos-85-no-nonce"
    leaf = x509.load_pem_x509_certificate(kept(name).certificate)
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    for at in (start, end):
        assert of_google(name, at=at).verified_at == at
    for at in (start - timedelta(seconds=1), end + timedelta(seconds=1)):
        with pytest.raises(EndorsementError) as caught:
            of_google(name, at=at)
        assert caught.value.step == "evidence.validity"


def test_another_authority_did_not_sign_the_key() -> None:
    found = kept("gce-cos-85-no-nonce")
    for others in (b"", pem(certificate("tpm_ek_intermediate_3.crt"))):
        with pytest.raises(EndorsementError) as caught:
            judge(found.quotes[SHA256], found.certificate + others)
        assert caught.value.step == "evidence.root"


SIGNING: Final = {
    "uca_tpm_ecc_sign_cert.pem": "tpm_ek_intermediate_3.crt",
    "uca_tpm_rsa_sign_cert.pem": "tpm_ek_intermediate_3.crt",
    "pca_tpm_ecc_sign_cert.pem": "gcp_ek_ak_ca_intermediate_v3.crt",
    "pca_tpm_rsa_sign_cert.pem": "gcp_ek_ak_ca_intermediate_v3.crt",
}


@pytest.mark.parametrize("name", [*SIGNING, *(name.replace("sign", "enc") for name in SIGNING)])
def test_keys_that_sign_have_a_chain_and_keys_that_decrypt_have_none(name: str) -> None:
    leaf = certificate(name)
    authority = pem(certificate(SIGNING[name.replace("enc", "sign")]))
    key = x509.load_pem_x509_certificate(leaf).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if name in SIGNING:
        chain = verified_chain(leaf + authority, (), spki, shipped_roots(), without_lists=True)
        assert len(chain.certificates) == 3
        assert chain.machine["project"] == "google.com:wuale-gcp-testing"
        chain.check_times(datetime(2024, 1, 1, tzinfo=UTC))
        return
    with pytest.raises(EndorsementError) as caught:
        verified_chain(leaf + authority, (), spki, shipped_roots(), without_lists=True)
    assert caught.value.step == "evidence.chain"


def test_a_quote_of_sha1_only_is_refused_by_name() -> None:
    report, log = windows(FOLDER / "go-attestation" / "windows_gcp_shielded_vm.json")
    assert EventLog.parse(log).banks == ("sha1",)
    with pytest.raises(EvidenceRejectedError, match="SHA-1") as caught:
        judge(report, log=log, excused="authority")
    assert caught.value.step == "evidence.banks"


def test_a_quote_whose_key_is_known_by_its_numbers() -> None:
    report = trustee(FOLDER / "trustee" / "tpm_evidence.json")
    claims = judge(report, excused="authority")
    assert claims.details["scheme"] == "rsassa sha256"
    assert claims.runtime_measurement == f"sha256:{'0' * 64}"
    assert claims.lacks == {"authority"}
    with pytest.raises(EndorsementError) as caught:
        judge(report)
    assert caught.value.step == "evidence.authority"
    with pytest.raises(EvidenceError) as refused:
        judge(report[:-1] + b"\1", excused="authority")
    assert refused.value.step == "evidence.pcrs"


def test_everything_that_a_quote_says_is_shown() -> None:
    found = kept("gce-cos-85-no-nonce")
    shown = FORMATS["tpm-quote"].fields(found.quotes[SHA256])
    assert shown["pcr_digest_matches"]
    assert (shown["key"], shown["signature_scheme"]) == ("rsa2048 rsassa sha256", "rsassa sha256")
    assert shown["sha256_pcr0"] == "0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf"
    files = [certificate("tpm_ek_intermediate_3.crt"), certificate("tpm_ek_intermediate_2.crt"), found.certificate]
    endorsements = FORMATS["tpm-quote"].endorsements(found.quotes[SHA256], files)
    assert judge(found.quotes[SHA256], endorsements.certificates).values["authority"] == "google"
    assert endorsements.certificates.count(b"BEGIN CERTIFICATE") == 2
