"""`casemate evidence verify-certificate`: with a cache of endorsements, of servers, and under which custodian."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casemate.cli import _genesis
from casemate.client import pins, workloads
from casemate.custodian.keys.tls import issue_tls
from casemate.endorsements.cache import Cache
from casemate.policy.genesis import make_genesis
from casemate.simulator import pki
from casemate.testing.amd.peers import MADE_FOR, over_a_report, revoking
from casemate.testing.amd.plan import AT
from casemate.testing.ra_tls import Domain, TlsServer
from casemate.wire.fields import format_time
from casemate.wire.rules import Access, AnyRule, Principal
from tests.unit.attestation.amd import trusting

from .conftest import Casemate, pin

LIST = "amd/milan/crl.der"


def write_policy(platform: str, runtime: str, manifest: str, genesis: str = "sha256:" + "0" * 64) -> None:
    Path("records.yaml").write_text(f"""casemate: 1
policy: acme/records
genesis: "{genesis}"
principals: {{alice: {{key: "ed25519:{"A" * 43}"}}}}
access: {{read: {{any: [alice]}}, update: {{any: [alice]}}}}
services:
  api:
    workload: {{manifest: "{manifest}"}}
    runtime: {{measurement: "{runtime}"}}
    platforms: [{platform}]
""")


@pytest.mark.parametrize(("by_policy", "passed"), [(False, "instance.form"), (True, None)])
def test_a_cache_completes_a_certificate_and_revokes(
    casemate: Casemate, home: Path, tmp_path: Path, by_policy: bool, passed: str | None
) -> None:
    """Without a policy its identity is asked last: it is a workload's certificate."""
    pinned, runtime = pin(home, "main"), "sha384:" + (b"m" * 48).hex()
    pins.save(home / "custodians", pinned.model_copy(update={"runtime": runtime, "manifest": MADE_FOR}))
    certificate, given = over_a_report(pinned.identity, lists=False)
    Path("certificate").write_bytes(certificate)
    write_policy("sev-snp", runtime, MADE_FOR)
    words = ["evidence", "verify-certificate", "--certificate", "certificate", "--at", format_time(AT), "--json"]
    words += ["--policy", "records.yaml#api"] if by_policy else []

    def step(*more: str | Path) -> str | None:
        with trusting(given):
            value: dict[str, Any] = json.loads(casemate(*words, *more).output)
        found: str | None = value.get("error", {}).get("step")
        return found

    assert step() in ("evidence.crl", "endorsements.complete")
    Cache(tmp_path / "cache").put(LIST, given.endorsements.crls[0])
    assert step("--cache", tmp_path / "cache") == passed
    Cache(home / "endorsements").put(LIST, revoking())
    assert step() == "evidence.revoked"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    return pki.create(tmp_path_factory.mktemp("own") / "platform")


@pytest.fixture
def server(platform: pki.SimulatedPlatform, home: Path, tmp_path: Path) -> Iterator[TlsServer]:
    """Of a workload under the custodian that is pinned as `main`, and admitted by `records.yaml`."""
    made = pin(home, "main")
    believing = made.genesis.model_copy(update={"simulation_root": platform.root_fingerprint})
    (home / "custodians" / "main.json").unlink()
    domain = Domain(platform, pin(home, "main", believing).identity)
    write_policy("simulated", f"sha384:{domain.measurement.hex()}", domain.manifest)
    now = datetime.now(UTC).timestamp()
    secret = issue_tls(domain.carried, start=now - 60, end=now + 3600)
    with TlsServer(secret.key, secret.certificate, tmp_path) as running:
        yield running


def of(server: TlsServer) -> tuple[str, ...]:
    return ("evidence", "verify-certificate", "--connect", f"127.0.0.1:{server.port}", "--policy", "records.yaml#api")


def test_a_server_is_judged_once(casemate: Casemate, server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[bytes] = []
    verify_carried = workloads.verify_carried

    def counted(data: bytes, **how: Any) -> Any:
        judged.append(data)
        return verify_carried(data, **how)

    monkeypatch.setattr(workloads, "verify_carried", counted)
    told = casemate(*of(server), "--json").data
    assert (told["platform"], told["holds_the_key"], len(judged)) == ("simulated", True, 1)


def test_a_simulated_platform_is_said_to_protect_nothing(casemate: Casemate, server: TlsServer) -> None:
    told = casemate(*of(server))
    assert (told.status, "holds_the_key: True" in told.output) == (0, True)
    assert "This workload runs on a simulated platform (simulated), which protects nothing." in told.errors


def test_platforms_of_both_kinds_are_what_no_custodian_takes(casemate: Casemate, server: TlsServer) -> None:
    text = Path("records.yaml").read_text()
    Path("records.yaml").write_text(text.replace("[simulated]", "[sev-snp, simulated]"))
    error = casemate(*of(server), "--json").data["error"]
    assert (error["step"], "of one kind" in error["remedy"]) == ("policy.simulation", True)


def test_the_custodian_is_the_one_of_the_policys_genesis(casemate: Casemate, home: Path, server: TlsServer) -> None:
    own, other = pins.load(home / "custodians", "main"), pin(home, "another")
    told = casemate(*of(server), "--json").data
    assert "which custodian? there are 2" in told["error"]["message"], "no record of the policy is kept here"
    rule, alice = AnyRule.model_validate({"any": ["alice"]}), Principal(key="ed25519:" + "A" * 43)
    access = Access(read=rule, update=rule)
    record = make_genesis("acme/records", {"alice": alice}, access, own.identity, True)
    _genesis.keep(home / "policies", record)
    text = Path("records.yaml").read_text()
    Path("records.yaml").write_text(text.replace("sha256:" + "0" * 64, record.identity()))
    assert casemate(*of(server), "--json").data["custodian"] == own.identity
    error = casemate(*of(server), "--custodian", "another", "--json").data["error"]
    assert (error["expected"], error["got"]) == (own.identity, other.identity)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "x" * 64 + ".example", ".example", "\udcff", "[]"])
def test_a_host_that_cannot_be_is_a_mistake(casemate: Casemate, home: Path, host: str) -> None:
    pin(home, "main")
    told = casemate("evidence", "verify-certificate", "--connect", f"{host}:443", "--json")
    assert (told.status, "--connect names no server" in told.data["error"]["message"]) == (2, True)


def test_an_address_of_ipv6_has_brackets(casemate: Casemate, home: Path) -> None:
    pin(home, "main")
    error = casemate("evidence", "verify-certificate", "--connect", "[::1]:9", "--json").data["error"]
    assert error["message"].startswith("no TLS with [::1]:9: ")
