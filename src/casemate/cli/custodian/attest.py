from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from casemate.attestation.verify import Roots
from casemate.cli._custodians import chosen
from casemate.cli._home import home
from casemate.cli._output import Json, emit, note
from casemate.client import pins
from casemate.client.attested import AttestedCustodian, verify_custodian
from casemate.client.custodian import CustodianClient, discover
from casemate.errors import NotGenuineError, UsageError
from casemate.policy.rules import describe
from casemate.wire.custodian import CustodianGenesis


def attest(
    name: Annotated[str | None, typer.Argument(help="A pinned custodian, or the name to pin it under.")] = None,
    url: Annotated[str | None, typer.Option(help="Of a custodian that is not pinned yet.")] = None,
    identity: Annotated[str | None, typer.Option(help="The identity that it must have (sha256:…).")] = None,
    runtime: Annotated[str | None, typer.Option(help="The runtime measurement that it must have.")] = None,
    manifest: Annotated[str | None, typer.Option(help="The manifest digest that it must have.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Pin what was verified, under NAME.")] = False,
    as_json: Json = False,
) -> None:
    """Verify a custodian: evidence, runtime, manifest, identity and board; optionally pin it.

    Example: `casemate custodian attest main --url http://10.0.0.5:7700 --identity sha256:… --pin`
    """
    if url is None:
        known = chosen(name)
        url, genesis = known.url, known.genesis
        runtime, manifest = runtime or known.runtime, manifest or known.manifest
    else:
        genesis = discover(url)
    _expect("identity", identity, genesis.identity())
    facts = _verified(url, genesis)
    _expect("runtime", runtime, facts.claims.runtime_measurement)
    _expect("manifest", manifest, facts.manifest)
    if facts.claims.platform == "simulated" and not as_json:
        note("This custodian runs on a simulated platform, which protects nothing.")
    if pin:
        _pin(name, url, genesis, facts)
    emit(_report(url, genesis, facts, pinned=pin or identity is not None), as_json=as_json)


def _verified(url: str, genesis: CustodianGenesis) -> AttestedCustodian:
    nonce = secrets.token_bytes(32)
    with CustodianClient(url, genesis, None) as client:
        answer = client.attest_custodian(nonce)
        instance = client.instance()
    simulated = frozenset({genesis.simulation_root} if genesis.simulation_root else set())
    roots = Roots(amd=True, simulated=simulated)
    return verify_custodian(answer, genesis=genesis, roots=roots, at=datetime.now(UTC), nonce=nonce, instance=instance)


def _expect(what: str, expected: str | None, got: str) -> None:
    if expected is not None and expected != got:
        raise NotGenuineError(
            f"this is not the custodian that you expect: another {what}",
            step=f"custodian.{what}",
            expected=expected,
            got=got,
            remedy="do not use it; ask its board whether it changed",
        )


def _pin(name: str | None, url: str, genesis: CustodianGenesis, facts: AttestedCustodian) -> None:
    if name is None:
        raise UsageError("under which name?", remedy="casemate custodian attest NAME --url … --pin")
    record = pins.Pin(
        name=name,
        url=url,
        genesis=genesis,
        runtime=facts.claims.runtime_measurement,
        manifest=facts.manifest,
        platform=facts.claims.platform,
    )
    pins.save(home() / "custodians", record)


def _report(url: str, genesis: CustodianGenesis, facts: AttestedCustodian, *, pinned: bool) -> dict[str, object]:
    report: dict[str, object] = {
        "name": genesis.name,
        "url": url,
        "identity": genesis.identity(),
        "board": describe(genesis.board.rule),
        "platform": facts.claims.platform,
        "runtime": facts.claims.runtime_measurement,
        "manifest": facts.manifest,
    }
    if not pinned:
        report["next"] = "compare these with what the board published, then add --pin"
    return report
