from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.attestation.expectations import roots_of
from casemate.attestation.ra_tls import WantedPeer
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.evidence._options import At, time_given
from casemate.cli.evidence._service import service_given
from casemate.client.peers import UP_TO_DATE_PLATFORMS
from casemate.client.pins import Pin
from casemate.client.ra_tls import Peer, attested_context, refusal_in
from casemate.client.tls_identity import verify_tls_identity
from casemate.client.workloads import PolicyPeer
from casemate.errors import UnreachableError, UsageError

_SECONDS: Final = 30
"""Longest wait for a server."""
_PORTS: Final = 1 << 16

_PLATFORMS: Final = (
    "Of a custodian: a policy file and its service (records.yaml#api), whose platforms count, with what it asks of "
    "them; else any that is up to date, and of which nothing has to be asked."
)


def verify_certificate(
    certificate: Annotated[Path | None, typer.Option(help="The certificate, PEM or DER; - is standard input.")] = None,
    connect: Annotated[
        str | None, typer.Option(help="HOST:PORT of a server instead, which proves that it holds the key.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="A policy file and its service (records.yaml#api): a workload that it admits.")
    ] = None,
    statement: Annotated[
        list[Path] | None, typer.Option(help="A release statement, if the policy admits by release; may be repeated.")
    ] = None,
    custodian: Custodian = None,
    platforms: Annotated[str | None, typer.Option(help=_PLATFORMS)] = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Verify that a TLS certificate is of a workload that a policy admits, or, without a policy, a pinned custodian's.

    Only the evidence in it counts: no authority, no name. A custodian must be of the runtime and the launch manifest
    that were pinned, and its identity must vouch as well. A certificate is no secret: that somebody holds its key is
    what a TLS handshake proves, so with --certificate it is left to whoever speaks with it. On a platform of which a
    policy has to ask something (Intel's: how new its documents are), name with --platforms one that does.
    Example: `casemate evidence verify-certificate --connect 10.0.0.7:8443 --policy records.yaml#api`
    """
    if (certificate is None) == (connect is None):
        raise UsageError("which certificate?", expected="--certificate FILE or --connect HOST:PORT")
    if connect is not None and at is not None:
        raise UsageError("--at is about a certificate in a file", remedy="leave it out: a handshake is now")
    if statement and policy is None:
        raise UsageError("--statement is about a policy", remedy="name it with --policy FILE#SERVICE")
    if policy is not None and platforms is not None:
        raise UsageError("--platforms is about a custodian", remedy="leave it out: the policy's own platforms count")
    pin, time = chosen(custodian), time_given(at)
    judge: Peer | PolicyPeer
    if policy is None:
        judge = _custodian(pin, platforms, time)
    else:
        judge = _workload(pin, policy, [read_bytes(file) for file in statement or []], time)
    data = read_bytes(certificate) if certificate is not None else _shown_by(connect or "", judge)
    claims = judge.verify(data)
    facts: dict[str, Any] = {
        "custodian": pin.identity,
        "platform": claims.platform,
        "product": claims.product,
        "runtime_measurement": claims.runtime_measurement,
        "manifest": f"sha256:{claims.manifest.hex()}",
    }
    if policy is None:
        facts["instance"] = verify_tls_identity(data, pin.genesis, at=judge.now()).key
    if connect is not None:
        facts["holds_the_key"] = True
    emit(facts, as_json=as_json, text="\n".join(f"{name}: {value}" for name, value in facts.items()))


def _custodian(pin: Pin, platforms: str | None, time: datetime) -> Peer:
    asked = UP_TO_DATE_PLATFORMS if platforms is None else service_given("--platforms", platforms)[1].platforms
    wanted = WantedPeer(pin.identity, frozenset({pin.runtime}), frozenset({pin.manifest}))
    return Peer(wanted, roots_of(pin.genesis), platforms=asked, now=lambda: time)


def _workload(pin: Pin, policy: str, statements: list[bytes], time: datetime) -> PolicyPeer:
    document, service = service_given("--policy", policy)
    return PolicyPeer(document, service.name, pin.identity, roots_of(pin.genesis), statements, now=lambda: time)


def _shown_by(server: str, judge: Peer | PolicyPeer) -> bytes:
    """The certificate (DER) of a server that holds its key, and which the judge accepts. Errors: those of the judge."""
    host, _, port = server.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < _PORTS:
        raise UsageError("--connect names no server", expected="HOST:PORT", got=server[:200] or "nothing")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS) as plain,
            attested_context(judge).wrap_socket(plain) as attested,
        ):
            return attested.getpeercert(binary_form=True) or b""
    except OSError as error:
        if (refusal := refusal_in(error)) is not None:
            raise refusal from error
        raise UnreachableError(
            f"no TLS with {server}: {error.strerror or error}", remedy="does it listen there, and speak TLS 1.3?"
        ) from error
