from __future__ import annotations

import socket
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.attestation.expectations import roots_of
from casemate.attestation.ra_tls import Completing, WantedPeer
from casemate.claims import VerifiedClaims
from casemate.cli._connecting import custodian_for
from casemate.cli._custodians import Custodian
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit, note
from casemate.cli.endorsements._cache import CacheFolder, opened
from casemate.cli.evidence._options import At, time_given
from casemate.cli.evidence._service import service_given
from casemate.client.peers import UP_TO_DATE_PLATFORMS
from casemate.client.pins import Pin
from casemate.client.ra_tls import Peer, attested_context, refusal_in
from casemate.client.tls_identity import verify_tls_identity
from casemate.client.workloads import PolicyPeer
from casemate.errors import UnreachableError, UsageError
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.policy.model import PolicyDocument, Service

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
    cache: CacheFolder = None,
    as_json: Json = False,
) -> None:
    """Verify that a TLS certificate is of a workload that a policy admits, or, without a policy, a pinned custodian's.

    Only the evidence in it counts: no authority, no name. A custodian must be of the runtime and the launch manifest
    that were pinned, and its identity must vouch as well. A certificate is no secret: that somebody holds its key is
    what a TLS handshake proves, so with --certificate it is left to whoever speaks with it. On a platform of which a
    policy has to ask something (Intel's: how new its documents are), name with --platforms one that does.

    What the cache of endorsements has for the evidence counts as well; of two the newer one.

    Example: `casemate evidence verify-certificate --connect 10.0.0.7:8443 --policy records.yaml#api`
    """
    _check_words(certificate, connect, at, policy, statement, platforms)
    service = None if policy is None else service_given("--policy", policy)
    pin = custodian_for(custodian, None if service is None else service[0].genesis)
    time, completed = time_given(at), opened(cache).completed
    judge: Peer | PolicyPeer
    if service is None:
        judge = _custodian(pin, platforms, completed, time)
    else:
        judge = _workload(pin, service, [read_bytes(file) for file in statement or []], completed, time)
    data, claims = _given(certificate, judge) if certificate is not None else _shown_by(connect or "", judge)
    if claims.platform in SIMULATED_PLATFORMS and not as_json:
        whose = "custodian" if policy is None else "workload"
        note(f"This {whose} runs on a simulated platform ({claims.platform}), which protects nothing.")
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


def _check_words(
    certificate: Path | None,
    connect: str | None,
    at: str | None,
    policy: str | None,
    statement: list[Path] | None,
    platforms: str | None,
) -> None:
    if (certificate is None) == (connect is None):
        raise UsageError("which certificate?", expected="--certificate FILE or --connect HOST:PORT")
    if connect is not None and at is not None:
        raise UsageError("--at is about a certificate in a file", remedy="leave it out: a handshake is now")
    if statement and policy is None:
        raise UsageError("--statement is about a policy", remedy="name it with --policy FILE#SERVICE")
    if policy is not None and platforms is not None:
        raise UsageError("--platforms is about a custodian", remedy="leave it out: the policy's own platforms count")


def _custodian(pin: Pin, platforms: str | None, completed: Completing, time: datetime) -> Peer:
    asked = UP_TO_DATE_PLATFORMS if platforms is None else service_given("--platforms", platforms)[1].platforms
    wanted = WantedPeer(pin.identity, frozenset({pin.runtime}), frozenset({pin.manifest}))
    return Peer(wanted, roots_of(pin.genesis), platforms=asked, completed=completed, now=lambda: time)


def _workload(
    pin: Pin,
    named: tuple[PolicyDocument, Service],
    statements: list[bytes],
    completed: Completing,
    time: datetime,
) -> PolicyPeer:
    document, service = named
    roots = roots_of(pin.genesis)
    return PolicyPeer(document, service.name, pin.identity, roots, statements, completed=completed, now=lambda: time)


def _given(certificate: Path, judge: Peer | PolicyPeer) -> tuple[bytes, VerifiedClaims]:
    data = read_bytes(certificate)
    return data, judge.verify(data)


def _shown_by(server: str, judge: Peer | PolicyPeer) -> tuple[bytes, VerifiedClaims]:
    """The certificate (DER) of a server that holds its key, and which the judge accepts, with what it found.
    Errors: UsageError, UnreachableError, those of the judge.
    """
    heard: list[VerifiedClaims] = []
    context = attested_context(replace(judge, heard=heard.append))
    try:
        with (
            socket.create_connection(_place(server), timeout=_SECONDS) as plain,
            context.wrap_socket(plain) as attested,
        ):
            return attested.getpeercert(binary_form=True) or b"", heard[0]
    except OSError as error:
        if (refusal := refusal_in(error)) is not None:
            raise refusal from error
        raise UnreachableError(
            f"no TLS with {server}: {error.strerror or error}", remedy="does it listen there, and speak TLS 1.3?"
        ) from error


def _place(server: str) -> tuple[str, int]:
    """Host, of IPv6 without brackets, and port. Errors: UsageError."""
    host, _, port = server.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not _is_host(host) or not port.isascii() or not port.isdigit() or not 0 < int(port) < _PORTS:
        raise UsageError("--connect names no server", expected="HOST:PORT", got=server[:200] or "nothing")
    return host, int(port)


def _is_host(host: str) -> bool:
    """Whether the resolver of `socket` takes it: labels have 1 to 63 characters (RFC 1035, section 2.3.4)."""
    try:
        return bool(host.encode("idna")) and "\0" not in host
    except UnicodeError:
        return False
