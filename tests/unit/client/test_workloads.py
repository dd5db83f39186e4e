"""Workloads behind certificates of their shields are judged by a policy, as a custodian would judge them."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.expectations import Roots
from casemate.claims import VerifiedClaims
from casemate.client import pins, workloads
from casemate.client.ra_tls import PeerRefusedError, _verify, attested_context
from casemate.client.workloads import PolicyPeer
from casemate.custodian.keys.tls import certificate_over, issue_tls, public_key_of
from casemate.errors import CasemateError, DeniedError, UsageError
from casemate.policy.model import parse_document
from casemate.secrets.catalogue import SCHEMAS
from casemate.simulator import pki
from casemate.testing.ra_tls import Domain, TlsServer
from casemate.wire.custodian import CustodianGenesis

CUSTODIAN = "sha256:" + "c" * 64
NOBODYS = "sha256:" + "0" * 64
KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return Domain(pki.create(tmp_path_factory.mktemp("own") / "platform"), CUSTODIAN)


@pytest.fixture(scope="module")
def certificate(domain: Domain) -> bytes:
    start, carried = NOW - timedelta(minutes=5), domain.carried(public_key_of(KEY))
    made = certificate_over(KEY, carried, start=start, end=start + timedelta(hours=1))
    return made.public_bytes(Encoding.DER)


def source() -> dict[str, Any]:
    """A policy but for its services."""
    return {
        "casemate": 1,
        "policy": "acme/records",
        "genesis": NOBODYS,
        "principals": {"alice": {"key": "ed25519:" + "A" * 43}},
        "access": {"read": {"any": ["alice"]}, "update": {"any": ["alice"]}},
    }


def trusted(domain: Domain) -> dict[str, Any]:
    """A service that admits that domain."""
    return {
        "workload": {"manifest": domain.manifest},
        "runtime": {"measurement": f"sha384:{domain.measurement.hex()}"},
        "platforms": ["simulated"],
    }


def peer(domain: Domain, heard: list[VerifiedClaims] | None = None, **service: Any) -> PolicyPeer:
    """Who admits that domain, but for what a test asks of its service."""
    document = {**source(), "services": {"api": {**trusted(domain), **service}}}
    roots = Roots(simulated=frozenset({domain.platform.root_fingerprint}))
    told = None if heard is None else heard.append
    return PolicyPeer(parse_document(document, SCHEMAS), "api", CUSTODIAN, roots, heard=told, now=lambda: NOW)


def step(judge: PolicyPeer, certificate: bytes) -> str | None:
    with pytest.raises(CasemateError) as refused:
        judge.verify(certificate)
    return refused.value.step


def test_a_workload_that_the_policy_admits_is_accepted(domain: Domain, certificate: bytes) -> None:
    claims = peer(domain).verify(certificate)
    assert (claims.platform, f"sha256:{claims.manifest.hex()}") == ("simulated", domain.manifest)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"workload": {"manifest": NOBODYS}}, "workload.manifest"),
        ({"runtime": {"measurement": "sha384:" + "0" * 96}}, "runtime.measurement"),
        ({"platforms": ["simulated-container"]}, "platform.listed"),
        ({"platforms": {"simulated": {"tcb": {"snp": 255}}}}, "tcb.minima"),
        ({"platforms": ["sev-snp"]}, "policy.simulation"),
        ({"platforms": ["sev-snp", "simulated"]}, "policy.simulation"),
    ],
)
def test_what_the_policy_does_not_admit_is_refused_with_the_step(
    domain: Domain, certificate: bytes, change: dict[str, Any], refused: str
) -> None:
    assert step(peer(domain, **change), certificate) == refused


def test_simulated_evidence_counts_only_where_every_service_is_for_it(domain: Domain, certificate: bytes) -> None:
    """A custodian refuses such a document when it is submitted, whatever the other service is."""
    judge = peer(domain)
    real = peer(domain, platforms=["sev-snp"]).document.services["api"]
    beside = replace(judge.document, services={**judge.document.services, "web": replace(real, name="web")})
    with pytest.raises(DeniedError) as refused:
        replace(judge, document=beside).verify(certificate)
    assert (refused.value.step, refused.value.got) == ("policy.simulation", "simulated, beside services.web: sev-snp")
    assert "list platforms of one kind" in str(refused.value.remedy)


def test_a_service_that_the_policy_has_not_is_refused_at_once(domain: Domain) -> None:
    with pytest.raises(UsageError, match="acme/records has no service web") as refused:
        replace(peer(domain), service="web")
    assert (refused.value.expected, refused.value.got) == ("api", "web")


def test_the_few_lines_that_the_module_shows_speak_with_a_server(
    domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand, but for the port."""
    genesis = CustodianGenesis.model_validate(
        {
            "casemate_custodian": 1,
            "name": "main",
            "board": {"principals": {"it": {"key": "ed25519:" + "A" * 43}}, "rule": {"any": ["it"]}},
            "identity_key": "ed25519:" + "A" * 43,
            "simulation_root": domain.platform.root_fingerprint,
            "random": "A" * 43,
        }
    )
    own = replace(domain, custodian=genesis.identity())
    measured = f"sha384:{own.measurement.hex()}"
    pin = pins.Pin(
        name="main", url="http://x", genesis=genesis, runtime=measured, manifest=own.manifest, platform="simulated"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    pins.save(tmp_path / ".local" / "share" / "casemate" / "custodians", pin)
    (tmp_path / "records.yaml").write_text(yaml.safe_dump({**source(), "services": {"cache": trusted(own)}}))
    secret = issue_tls(own.carried, start=NOW.timestamp() - 60, end=NOW.timestamp() + 3600)
    shown = textwrap.dedent(str(workloads.__doc__).split(":\n\n", 1)[1].split("\n\n`Cache", 1)[0])
    with TlsServer(secret.key, secret.certificate, tmp_path) as server:
        known: dict[str, Any] = {}
        exec(shown.replace("10.0.0.7:8443", f"127.0.0.1:{server.port}"), known)
    assert known["answer"].text == "ok"


def test_a_workload_by_release_needs_the_statement(domain: Domain, certificate: bytes) -> None:
    released = {"release": "acme/api", "at_least": "1", "signed_by": {"any": ["alice"]}}
    assert step(peer(domain, workload=released), certificate) == "workload.manifest"


def test_another_custodians_workload_is_refused(domain: Domain, certificate: bytes) -> None:
    assert step(replace(peer(domain), custodian=NOBODYS), certificate) == "ra_tls.custodian"


def test_simulated_hardware_counts_only_under_its_pinned_root(domain: Domain, certificate: bytes) -> None:
    refused = step(replace(peer(domain), roots=Roots(amd=True)), certificate)
    assert refused is not None
    assert refused.startswith("evidence.")


@pytest.mark.parametrize(("minutes", "held"), [(-6, False), (-5, True), (54, True), (56, False)])
def test_a_certificate_counts_in_its_time(domain: Domain, certificate: bytes, minutes: int, held: bool) -> None:
    judge = replace(peer(domain), now=lambda: NOW + timedelta(minutes=minutes))
    if held:
        assert judge.verify(certificate)
    else:
        assert step(judge, certificate) == "ra_tls.times"


def test_a_connection_judges_by_the_policy_and_tells_what_it_found(domain: Domain, certificate: bytes) -> None:
    heard: list[VerifiedClaims] = []
    _verify(attested_context(peer(domain, heard)), certificate)
    assert [claims.platform for claims in heard] == ["simulated"]
    with pytest.raises(PeerRefusedError, match=r"workload\.manifest"):
        _verify(attested_context(peer(domain, heard, workload={"manifest": NOBODYS})), certificate)
    assert len(heard) == 1
