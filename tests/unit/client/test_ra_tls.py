"""TLS with servers whose certificates carry evidence: accepted for what they are, refused before a byte is sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import WantedPeer, verify_ra_tls
from casemate.claims import VerifiedClaims
from casemate.client.ra_tls import Peer, PeerRefusedError, attested_context, refusal_in
from casemate.custodian.keys.tls import certificate_over, issue_tls, public_key_of
from casemate.errors import CasemateError
from casemate.simulator import pki
from casemate.testing.ra_tls import Domain, TlsServer
from casemate.wire.binding import Purpose
from casemate.wire.ra_tls import RaTls

CUSTODIAN = "sha256:" + "c" * 64
OTHER = "sha256:" + "d" * 64
KEY, ANOTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return Domain(pki.create(tmp_path_factory.mktemp("own") / "platform"), CUSTODIAN)


def roots(domain: Domain) -> Roots:
    return Roots(simulated=frozenset({domain.platform.root_fingerprint}))


def wanted(domain: Domain, **change: Any) -> WantedPeer:
    right = WantedPeer(CUSTODIAN, frozenset({f"sha384:{domain.measurement.hex()}"}), frozenset({domain.manifest}))
    return replace(right, **change)


def certificate(carried: RaTls, key: ec.EllipticCurvePrivateKey = KEY, hours: int = 24) -> bytes:
    start = NOW - timedelta(minutes=10)
    return certificate_over(key, carried, start=start, end=start + timedelta(hours=hours)).public_bytes(Encoding.DER)


def verified(domain: Domain, data: bytes, at: datetime = NOW, **change: Any) -> VerifiedClaims:
    return verify_ra_tls(data, roots=roots(domain), at=at, wanted=wanted(domain, **change))


def step(domain: Domain, data: bytes, at: datetime = NOW, **change: Any) -> str | None:
    with pytest.raises(CasemateError) as refused:
        verified(domain, data, at, **change)
    return refused.value.step


def test_a_certificate_over_evidence_gives_the_claims_of_its_domain(domain: Domain) -> None:
    claims = verified(domain, certificate(domain.carried(public_key_of(KEY))))
    assert (claims.platform, claims.runtime_measurement) == ("simulated", f"sha384:{domain.measurement.hex()}")


@pytest.mark.parametrize("purpose", [Purpose.RELEASE, Purpose.CUSTODIAN])
def test_evidence_for_another_purpose_serves_no_certificate(domain: Domain, purpose: Purpose) -> None:
    assert step(domain, certificate(domain.carried(public_key_of(KEY), purpose=purpose))) == "evidence.report_data"


def test_evidence_over_another_key_is_refused(domain: Domain) -> None:
    carried = domain.carried(public_key_of(KEY))
    assert step(domain, certificate(carried, key=ANOTHER)) == "evidence.report_data"


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"custodian": OTHER}, "ra_tls.custodian"),
        ({"runtimes": frozenset({"sha384:" + "0" * 96})}, "ra_tls.runtime"),
        ({"runtimes": frozenset()}, "ra_tls.runtime"),
        ({"manifests": frozenset({OTHER})}, "ra_tls.manifest"),
        ({"manifests": frozenset()}, "ra_tls.manifest"),
        ({"floors": {}}, None),
    ],
)
def test_a_genuine_domain_that_is_not_the_wanted_one_is_refused(
    domain: Domain, change: dict[str, Any], failed: str | None
) -> None:
    data = certificate(domain.carried(public_key_of(KEY)))
    if failed is None:
        assert verified(domain, data, **change)
    else:
        assert step(domain, data, **change) == failed


@pytest.mark.parametrize(
    ("field", "value", "failed"),
    [
        ("custodian", OTHER, "evidence.report_data"),
        ("manifest", OTHER, "evidence.host_data"),
        ("signing_key", "ed25519:" + "B" + "A" * 42, "evidence.report_data"),
        ("hpke_key", "x25519:" + "B" + "A" * 42, "evidence.report_data"),
    ],
)
def test_each_part_of_what_is_carried_is_bound_by_the_evidence(
    domain: Domain, field: str, value: str, failed: str
) -> None:
    carried = domain.carried(public_key_of(KEY)).model_copy(update={field: value})
    # What it says of itself is what is wanted: only the evidence says otherwise.
    named = {"custodian": {"custodian": value}, "manifest": {"manifests": frozenset({value})}}.get(field, {})
    assert step(domain, certificate(carried), **named) == failed


def test_evidence_of_a_domain_with_debug_or_under_another_root_is_refused(domain: Domain) -> None:
    assert step(domain, certificate(domain.carried(public_key_of(KEY), debug=True))) == "evidence.debug"
    data = certificate(domain.carried(public_key_of(KEY)))
    with pytest.raises(CasemateError) as refused:
        verify_ra_tls(data, roots=Roots(amd=True), at=NOW, wanted=wanted(domain))
    assert refused.value.step == "evidence.root"


def test_a_certificate_counts_for_a_day_at_most_and_only_in_its_time(domain: Domain) -> None:
    carried = domain.carried(public_key_of(KEY))
    assert step(domain, certificate(carried, hours=25)) == "ra_tls.times"
    assert step(domain, certificate(carried, hours=1), NOW + timedelta(minutes=50, seconds=1)) == "ra_tls.times"
    assert step(domain, certificate(carried), NOW - timedelta(minutes=10, seconds=1)) == "ra_tls.times"
    assert verified(domain, certificate(carried, hours=1), NOW + timedelta(minutes=50))


def test_a_certificate_holds_until_its_last_second_is_over(domain: Domain) -> None:
    data = certificate(domain.carried(public_key_of(KEY)), hours=1)
    end = NOW + timedelta(minutes=50)
    assert verified(domain, data, end + timedelta(microseconds=999_999))
    assert step(domain, data, end + timedelta(seconds=1)) == "ra_tls.times"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_certificate_that_was_changed_is_refused(domain: Domain, place: int, bits: int) -> None:
    right = certificate(domain.carried(public_key_of(KEY)))
    data = bytearray(right)
    data[place % len(data)] ^= bits
    with pytest.raises(CasemateError):
        verified(domain, bytes(data))


# Over real connections.


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def server(domain: Domain, tmp_path: Path) -> Any:
    secret = issue_tls(domain.carried, start=NOW.timestamp() - 60, end=NOW.timestamp() + 3600)
    with TlsServer(secret.key, secret.certificate, tmp_path) as running:
        yield running


def peer(domain: Domain, heard: list[VerifiedClaims] | None = None, **change: Any) -> Peer:
    return Peer(wanted(domain, **change), roots(domain), heard=None if heard is None else heard.append)


def test_httpx_speaks_with_the_server_that_is_wanted(domain: Domain, server: TlsServer) -> None:
    heard: list[VerifiedClaims] = []
    with httpx.Client(verify=attested_context(peer(domain, heard)), trust_env=False) as client:
        assert client.get(f"https://127.0.0.1:{server.port}/").text == "ok"
    assert [claims.platform for claims in heard] == ["simulated"]


def test_httpx_sends_nothing_to_another_and_says_why(domain: Domain, server: TlsServer) -> None:
    context = attested_context(peer(domain, manifests=frozenset({OTHER})))
    with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(httpx.ConnectError) as refused:
        client.post(f"https://127.0.0.1:{server.port}/", content=b"secret")
    reason = refusal_in(refused.value)
    assert reason is not None
    assert (reason.step, reason.got) == ("ra_tls.manifest", domain.manifest)
    assert bytes(server.heard) == b""


def test_asynchronous_httpx_does_the_same(domain: Domain, server: TlsServer) -> None:
    async def ask(**change: Any) -> str:
        context = attested_context(peer(domain, **change))
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            return (await client.post(f"https://127.0.0.1:{server.port}/", content=b"x")).text

    assert asyncio.run(ask()) == "ok"
    server.heard.clear()
    with pytest.raises(httpx.ConnectError) as refused:
        asyncio.run(ask(custodian=OTHER))
    reason = refusal_in(refused.value)
    assert reason is not None
    assert reason.step == "ra_tls.custodian"
    assert bytes(server.heard) == b""


def test_asyncio_streams_do_the_same(domain: Domain, server: TlsServer) -> None:
    async def connect(**change: Any) -> bytes:
        context = attested_context(peer(domain, **change))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname="x")
        writer.write(b"x")
        answer = await reader.read(5)
        writer.transport.abort()
        # The loop needs a turn to let go of it.
        await asyncio.sleep(0.01)
        return answer

    assert asyncio.run(connect()) == b"HTTP/"
    server.heard.clear()
    with pytest.raises(PeerRefusedError):
        asyncio.run(connect(runtimes=frozenset()))
    assert bytes(server.heard) == b""


def test_ssl_itself_ends_with_the_handshake(domain: Domain, server: TlsServer) -> None:
    address = ("127.0.0.1", server.port)
    context = attested_context(peer(domain))
    with socket.create_connection(address) as plain, context.wrap_socket(plain) as session:
        assert session.version() == "TLSv1.3"
        session.sendall(b"x")
        assert session.recv(5) == b"HTTP/"
    late = socket.socket()
    with context.wrap_socket(late) as session:
        session.connect(address)
        session.sendall(b"x")
        assert session.recv(5) == b"HTTP/"
    server.heard.clear()
    refusing = attested_context(peer(domain, custodian=OTHER))
    with socket.create_connection(address) as plain, pytest.raises(PeerRefusedError):
        refusing.wrap_socket(plain)
    with refusing.wrap_socket(socket.socket()) as session, pytest.raises(PeerRefusedError):
        session.connect(address)
    assert bytes(server.heard) == b""


def test_a_handshake_that_is_put_off_and_a_server_are_not_to_be_had(domain: Domain) -> None:
    context = attested_context(peer(domain))
    with socket.socket() as plain:
        for options in ({"do_handshake_on_connect": False}, {"server_side": True}):
            with pytest.raises(ValueError, match="client's"):
                context.wrap_socket(plain, **options)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ValueError, match="client's"):
        context.wrap_bio(incoming, outgoing, server_side=True)
    unfinished = context.wrap_bio(incoming, outgoing)
    for use in (lambda: unfinished.write(b"x"), lambda: unfinished.read(1)):
        with pytest.raises(ssl.SSLError, match="has not ended"):
            use()


def test_an_older_tls_is_not_spoken(domain: Domain, server: TlsServer) -> None:
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", server.port)) as plain, pytest.raises(ssl.SSLError) as failed:
        attested_context(peer(domain)).wrap_socket(plain)
    assert refusal_in(failed.value) is None


def test_a_certificate_that_somebody_else_copied_does_not_help_them(domain: Domain, tmp_path: Path) -> None:
    """The evidence is public; without its key nobody ends a handshake, and with another it is over another."""
    copied = domain.carried(public_key_of(KEY))
    own = certificate_over(ANOTHER, copied, start=NOW, end=NOW + timedelta(hours=1)).public_bytes(Encoding.PEM)
    with TlsServer(pem(ANOTHER), own, tmp_path) as thief:
        address = ("127.0.0.1", thief.port)
        with socket.create_connection(address) as plain, pytest.raises(PeerRefusedError) as refused:
            attested_context(peer(domain)).wrap_socket(plain)
    assert refused.value.error.step == "evidence.report_data"
