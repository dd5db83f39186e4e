from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from casemate.attestation.expectations import roots_of
from casemate.cli._custodians import chosen
from casemate.cli._home import home
from casemate.cli._output import Json, emit, note
from casemate.cli._patience import Wait, patiently
from casemate.client import pins
from casemate.client.attested import AttestedCustodian, verify_custodian
from casemate.client.custodian import CustodianClient, discover
from casemate.errors import NotGenuineError, UsageError
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.policy.rules import describe
from casemate.wire.custodian import CustodianGenesis


def attest(
    name: Annotated[str | None, typer.Argument(help="A pinned custodian, or the name to pin it under.")] = None,
    url: Annotated[str | None, typer.Option(help="Where it is reached, if not at its pinned URL.")] = None,
    identity: Annotated[str | None, typer.Option(help="The identity that it must have (sha256:…).")] = None,
    runtime: Annotated[str | None, typer.Option(help="The runtime measurement that it must have.")] = None,
    manifest: Annotated[str | None, typer.Option(help="The manifest digest that it must have.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Pin what was verified, under NAME.")] = False,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Verify a custodian: evidence, runtime, manifest, identity and board; optionally pin it.

    Example: `casemate custodian attest main --url http://10.0.0.5:7700 --identity sha256:… --pin`
    """
    if pin and name is None:
        raise UsageError("under which name?", remedy="casemate custodian attest NAME --url … --pin")
    known = _pinned(name, url)
    place = url or (known.url if known else "")
    genesis = known.genesis if known else patiently(wait, lambda: discover(place))
    _expect("identity", identity, genesis.identity())
    facts = patiently(wait, lambda: _verified(place, genesis))
    _expect("runtime", runtime or (known.runtime if known else None), facts.claims.runtime_measurement)
    _expect("manifest", manifest or (known.manifest if known else None), facts.manifest)
    if facts.claims.platform in SIMULATED_PLATFORMS and not as_json:
        note(f"This custodian runs on a simulated platform ({facts.claims.platform}), which protects nothing.")
    if pin and name is not None:
        _pin(name, place, genesis, facts)
        if known is None and identity is None and not as_json:
            note("Pinned on first sight: compare its identity with what its board published.")
    compared = pin or known is not None or identity is not None
    emit(_report(place, genesis, facts, compared=compared), as_json=as_json)


def _pinned(name: str | None, url: str | None) -> pins.Pin | None:
    """Who is meant, where that is known: at another URL, too, it must be the same custodian."""
    if url is None:
        return chosen(name)
    if name is None or not pins.exists(home() / "custodians", name):
        return None
    return chosen(name)


def _verified(url: str, genesis: CustodianGenesis) -> AttestedCustodian:
    nonce = secrets.token_bytes(32)
    with CustodianClient(url, genesis, None) as client:
        answer = client.attest_custodian(nonce)
        instance = client.instance()
    roots = roots_of(genesis)
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


def _pin(name: str, url: str, genesis: CustodianGenesis, facts: AttestedCustodian) -> None:
    record = pins.Pin(
        name=name,
        url=url,
        genesis=genesis,
        runtime=facts.claims.runtime_measurement,
        manifest=facts.manifest,
        platform=facts.claims.platform,
    )
    pins.save(home() / "custodians", record)


def _report(url: str, genesis: CustodianGenesis, facts: AttestedCustodian, *, compared: bool) -> dict[str, object]:
    report: dict[str, object] = {
        "name": genesis.name,
        "url": url,
        "identity": genesis.identity(),
        "board": describe(genesis.board.rule),
        "platform": facts.claims.platform,
        "runtime": facts.claims.runtime_measurement,
        "manifest": facts.manifest,
    }
    if not compared:
        report["next"] = "compare these with what the board published, then add --pin"
    return report
