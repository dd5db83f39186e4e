"""Verifying a custodian before it is pinned: evidence over exactly this identity, these keys, this nonce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.attestation.verify import Roots
from casemate.client.attested import AttestedCustodian, verify_custodian
from casemate.errors import CasemateError, EndorsementError, EvidenceRejectedError, InputError, NotGenuineError
from casemate.simulator import pki
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.custodian import CustodianAttestationAnswer, InstanceCertificate
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.manifest import Manifest, ParsedManifest

from .conftest import SEALING_KEY, make_genesis, text_of

MEASUREMENT = bytes(range(48))
NONCE = bytes(range(32))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    return pki.create(tmp_path_factory.mktemp("platform") / "platform")


@dataclass
class Situation:
    """A genuine custodian's answer; tests change what goes into it, or what comes of it."""

    platform: pki.SimulatedPlatform
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    made: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    roots: Roots | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.genesis = make_genesis(Ed25519PrivateKey.generate())

    def verify(self) -> AttestedCustodian:
        roots = self.roots or Roots(amd=True, simulated=frozenset({self.platform.root_fingerprint}))
        return verify_custodian(
            self._answer(), genesis=self.genesis, roots=roots, at=self.at, nonce=NONCE, instance=self._instance()
        )

    def parsed(self) -> ParsedManifest:
        value = {
            "casemate_manifest": 1,
            "role": "custodian",
            "root": [{"path": "/bin/x", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}],
            "writable": [],
            "mounts": [],
            "files": [],
            "entrypoint": ["/bin/x"],
            "arguments": [],
            "environment": {},
            "holes": {},
            "user": {"uid": 0, "gid": 0},
            "working_directory": "/",
            **self.manifest,
        }
        return ParsedManifest.build(Manifest.model_validate(value))

    def _answer(self) -> CustodianAttestationAnswer:
        digest = self.parsed().digest
        facts: dict[str, Any] = {
            "purpose": Purpose.CUSTODIAN,
            "custodian": self.genesis.identity(),
            "nonce": NONCE,
            "signing_key": text_of(self.key),
            "hpke_key": SEALING_KEY,
            "manifest": digest,
            **self.made,
        }
        data = report_data(facts.pop("purpose"), **facts)
        report = self.platform.report(
            **{"measurement": MEASUREMENT, "host_data": digest_bytes(digest), "report_data": data, **self.report}
        )
        answer = {
            "evidence": Evidence(format="sev-snp-report", report=report),
            "endorsements": Endorsements(certificates=self.platform.certificate_table, crls=list(self.platform.crls)),
            "manifest": self.parsed().data,
            "nonce": NONCE,
            "signing_key": text_of(self.key),
            "hpke_key": SEALING_KEY,
            **self.answered,
        }
        return CustodianAttestationAnswer.model_validate(answer)

    def _instance(self) -> InstanceCertificate:
        start = datetime.now(UTC).replace(microsecond=0)
        return InstanceCertificate(
            casemate_instance=1,
            custodian=self.genesis.identity(),
            key=text_of(self.key),
            sealing_key=SEALING_KEY,
            not_before=start,
            not_after=start + timedelta(hours=1),
        )


@pytest.fixture
def situation(platform: pki.SimulatedPlatform) -> Situation:
    return Situation(platform)


def test_a_genuine_custodian_is_attested_with_what_it_runs(situation: Situation) -> None:
    found = situation.verify()
    assert found.manifest == situation.parsed().digest
    assert found.claims.runtime_measurement == f"sha384:{MEASUREMENT.hex()}"
    assert found.claims.platform == "simulated"


OTHER_KEY = text_of(Ed25519PrivateKey.generate())
WORKLOAD = {
    "role": "workload",
    "custodian": "sha256:" + "0" * 64,
    "policy": {"name": "a/b", "genesis": "sha256:" + "0" * 64, "service": "x"},
}

LIES: dict[str, tuple[Callable[[Situation], object], type[CasemateError], str]] = {
    "answers another nonce": (lambda s: s.answered.update(nonce=bytes(32)), NotGenuineError, "custodian.nonce"),
    "names another signing key": (
        lambda s: s.answered.update(signing_key=OTHER_KEY), NotGenuineError, "custodian.keys",
    ),
    "names another sealing key": (
        lambda s: s.answered.update(hpke_key="x25519:" + "A" * 42 + "E"), NotGenuineError, "custodian.keys",
    ),
    "is measured as a workload": (lambda s: s.manifest.update(WORKLOAD), NotGenuineError, "custodian.role"),
    "shows no manifest": (lambda s: s.answered.update(manifest=b"{}"), InputError, "manifest.schema"),
    "has evidence of another custodian": (
        lambda s: s.made.update(custodian="sha256:" + "0" * 64), EvidenceRejectedError, "evidence.report_data",
    ),
    "has evidence over another nonce": (
        lambda s: s.made.update(nonce=bytes(32)), EvidenceRejectedError, "evidence.report_data",
    ),
    "has evidence over another signing key": (
        lambda s: s.made.update(signing_key=OTHER_KEY), EvidenceRejectedError, "evidence.report_data",
    ),
    "has evidence over another sealing key": (
        lambda s: s.made.update(hpke_key="x25519:" + "A" * 42 + "E"), EvidenceRejectedError, "evidence.report_data",
    ),
    "has evidence that a workload made": (
        lambda s: s.made.update(purpose=Purpose.RELEASE), EvidenceRejectedError, "evidence.report_data",
    ),
    "has evidence of another manifest": (
        lambda s: s.report.update(host_data=bytes(32)), EvidenceRejectedError, "evidence.host_data",
    ),
    "runs with debug on": (lambda s: s.report.update(debug=True), EvidenceRejectedError, "evidence.debug"),
    "runs on a platform that it does not name": (
        lambda s: setattr(s, "roots", Roots(amd=True, simulated=frozenset())), EndorsementError, "evidence.root",
    ),
    "shows no revocation list": (
        lambda s: s.answered.update(
            endorsements=Endorsements(certificates=s.platform.certificate_table, crls=[])
        ), EndorsementError, "evidence.crl",
    ),
    "is asked in twenty years": (
        lambda s: setattr(s, "at", s.at + timedelta(days=7300)), EndorsementError, "evidence.validity",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_custodian_is_not_attested_that(situation: Situation, name: str) -> None:
    lie, error, step = LIES[name]
    lie(situation)
    with pytest.raises(error) as refused:
        situation.verify()
    assert refused.value.step == step
