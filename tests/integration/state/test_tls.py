"""A custodian that serves TLS: with a certificate over its evidence, which is renewed with its instance."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from casemate.attestation.expectations import roots_of
from casemate.attestation.ra_tls import WantedPeer, read_ra_tls
from casemate.client.ra_tls import Peer, attested_context, refusal_in
from casemate.client.tls_identity import verify_tls_identity
from casemate.custodian import serving
from casemate.custodian.keeper.server import KeeperServer
from casemate.custodian.keys.tls import TlsSecret, issue_tls
from casemate.custodian.opening import open_state
from casemate.custodian.platform_channel import PlatformChannel
from casemate.custodian.workers_tls import ServerTls
from casemate.errors import PlatformError
from casemate.testing.ra_tls import Domain
from casemate.testing.shield_side import ShieldSide
from casemate.wire.binding import sha256_text
from casemate.wire.custodian import CustodianGenesis

from .conftest import SEALING, House, Installation
from .processes import MANIFEST, MEASUREMENT

OTHER = "sha256:" + "0" * 64

PATIENCE = 60
"""Seconds: it says that it serves when its workers begin to start."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def peer(genesis: CustodianGenesis, manifest: str = sha256_text(MANIFEST)) -> Peer:
    runtime = f"sha384:{MEASUREMENT.hex()}"
    return Peer(WantedPeer(genesis.identity(), frozenset({runtime}), frozenset({manifest})), roots_of(genesis))


def test_its_certificate_is_its_own_by_evidence_and_by_identity(house: House, genesis: CustodianGenesis) -> None:
    with house.serve(tls_port=free_port(), workers=2).serving() as process:
        address = f"https://127.0.0.1:{process.tls_port}"
        with httpx.Client(verify=attested_context(peer(genesis)), trust_env=False, timeout=PATIENCE) as client:
            assert client.get(f"{address}/healthz").status_code == 200
        pem = ssl.get_server_certificate(("127.0.0.1", int(process.tls_port or 0)))
        instance = verify_tls_identity(pem.encode(), genesis, at=datetime.now(UTC))
        assert read_ra_tls(pem.encode()).carried.signing_key == instance.key
        # In the clear it goes on answering as before.
        assert httpx.get(f"{process.url}/healthz", trust_env=False, timeout=PATIENCE).status_code == 200
        assert process.stop() == 0
    assert house.stopped_cleanly()


def test_a_client_that_wants_another_manifest_sends_nothing(house: House, genesis: CustodianGenesis) -> None:
    with house.serve(tls_port=free_port()).serving() as process:
        context = attested_context(peer(genesis, OTHER))
        with (
            httpx.Client(verify=context, trust_env=False, timeout=PATIENCE) as client,
            pytest.raises(httpx.ConnectError) as refused,
        ):
            client.get(f"https://127.0.0.1:{process.tls_port}/healthz")
    reason = refusal_in(refused.value)
    assert reason is not None
    assert (reason.step, reason.got) == ("ra_tls.manifest", sha256_text(MANIFEST))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What workers are told."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(KeeperServer, "push", lambda _server, event: found.append(event))
    monkeypatch.setattr(serving, "_HOUSE_SECONDS", 0.01)
    return found


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_certificate_is_renewed_with_its_instance_and_tried_again_where_that_fails(
    house: House,
    installation: Installation,
    identity: str,
    told: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [2e9]
    opened = open_state(installation.data, installation.anchor, SEALING, lambda: now[0])
    failures = [PlatformError("no firmware"), PlatformError("no firmware")]
    with (
        ShieldSide(house.platform, measurement=MEASUREMENT, manifest=MANIFEST) as side,
        serving.listen("127.0.0.1", 0) as plain,
        serving.listen("127.0.0.1", 0) as tls,
    ):
        channel = PlatformChannel(socket.socket(fileno=socket.dup(side.descriptor)))
        asked = channel.evidence

        def evidence(**arguments: Any) -> Any:
            if now[0] > 2e9 and failures:
                raise failures.pop()
            return asked(**arguments)

        monkeypatch.setattr(channel, "evidence", evidence)
        running = asyncio.create_task(
            serving.serve(opened, channel, serving.Listeners(plain, tls), 0, installation.data)
        )
        await asyncio.sleep(0.1)
        assert told == []
        now[0] += 13 * 3600
        await until(lambda: any(event[0] == "tls" for event in told))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        channel.close()
    assert failures == []
    assert [event[0] for event in told] == ["instance", "tls"]
    certificate = x509.load_pem_x509_certificate(told[1][2])
    assert certificate.not_valid_before_utc.timestamp() == told[0][3]
    assert certificate.not_valid_after_utc.timestamp() == told[0][4]
    assert read_ra_tls(told[1][2]).carried.instance == told[0][2]


async def test_without_its_certificate_it_does_not_begin(installation: Installation, identity: str) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    opened = open_state(installation.data, installation.anchor, SEALING)
    with (
        serving.listen("127.0.0.1", 0) as plain,
        serving.listen("127.0.0.1", 0) as tls,
        ours,
        pytest.raises(PlatformError),
    ):
        await serving.serve(opened, PlatformChannel(ours), serving.Listeners(plain, tls), 0, installation.data)


def test_connections_to_come_see_the_certificate_that_replaced_another(house: House) -> None:
    domain = Domain(house.platform, OTHER)

    def secret() -> TlsSecret:
        return issue_tls(domain.carried, start=datetime.now(UTC).timestamp() - 60, end=2e9)

    first, second = secret(), secret()
    server = ServerTls(first)
    seen = [_certificate_of(server)]
    server.replace(second)
    seen.append(_certificate_of(server))
    assert seen == [ssl.PEM_cert_to_DER_cert(one.certificate.decode()) for one in (first, second)]


def _certificate_of(server: ServerTls) -> bytes | None:
    """What a handshake in memory shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server)
    other = server.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(binary_form=True)


def test_no_key_is_left_in_a_file(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ServerTls(issue_tls(Domain(house.platform, OTHER).carried, start=1e9, end=2e9))
    assert list(tmp_path.iterdir()) == []
