"""An unmodified server serves TLS with the certificate that its shield made: whoever has the policy verifies it."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from casemate.attestation.expectations import roots_of
from casemate.client.pins import load
from casemate.client.ra_tls import Peer, attested_context, refusal_in
from casemate.client.workloads import PolicyPeer
from casemate.policy.source import load as load_policy
from casemate.secrets.catalogue import SCHEMAS
from casemate.testing.stage import free_port, listens, wait_for

from .conftest import Installation, Policy

TLS = "/run/tls"
LIFE = 60
"""Seconds that a certificate lives: the least."""


@dataclass
class Server:
    """Redis under `policy`, at `port`."""

    policy: Policy
    port: int
    log: str

    @property
    def peer(self) -> PolicyPeer:
        pin = load(self.policy.stage.home / "custodians", "main")
        return PolicyPeer(
            load_policy(self.policy.path.read_bytes(), SCHEMAS), "redis", pin.identity, roots_of(pin.genesis)
        )

    def ask(self, peer: Peer | PolicyPeer, what: bytes = b"PING") -> bytes:
        """What it says to who accepts it so."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            attested_context(peer).wrap_socket(plain) as connection,
        ):
            connection.sendall(what + b"\r\n")
            return connection.recv(100)

    def end(self) -> datetime:
        """When the certificate that it shows ends."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.port))
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc

    def verify(self, *words: str | Path) -> tuple[int, dict[str, object]]:
        told = self.policy.stage.cli("evidence", "verify-certificate", "--json", *words)
        value = json.loads(told.output)
        return told.status, value.get("error", value)


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    redis = shutil.which("redis-server")
    if redis is None:
        pytest.skip("redis is not installed")
    policy, port = installation.policy(), free_port()
    options = (f"--tls-port {port} --port 0 --tls-auth-clients no --save ''").split()
    places = ("--tls-cert-file", f"{TLS}/certificate.pem", "--tls-key-file", f"{TLS}/key.pem")
    policy.build("redis", redis, *options, *places, options=("--ra-tls", f"{TLS}:{LIFE}s", "--writable", "/tmp"))
    policy.submit()
    log = f"redis-{port}"
    process = policy.stage.start(log, "run", f"{policy.name}#redis")
    wait_for("redis over TLS", lambda: listens(port) or process.poll() is not None, seconds=60)
    assert process.poll() is None, policy.stage.log(log)
    yield Server(policy, port, log)
    policy.stage.stop(process)


def test_who_has_the_policy_speaks_with_it(server: Server) -> None:
    assert server.ask(server.peer) == b"+PONG\r\n"


def test_it_is_refused_in_the_handshake_where_the_policy_admits_another_workload(server: Server) -> None:
    peer = server.peer
    service = replace(peer.document.services["redis"], workload="sha256:" + "0" * 64)
    other = replace(peer.document, services={"redis": service})
    with pytest.raises(ssl.SSLError) as caught:
        server.ask(replace(peer, document=other))
    assert getattr(refusal_in(caught.value), "step", None) == "workload.manifest"


def test_the_command_line_verifies_the_server_and_its_certificate_in_a_file(server: Server, tmp_path: Path) -> None:
    by_policy = ("--policy", f"{server.policy.path}#redis", "--custodian", "main")
    status, told = server.verify("--connect", f"127.0.0.1:{server.port}", *by_policy)
    assert (status, told["platform"], told["holds_the_key"]) == (0, "simulated", True)
    assert told["manifest"] == server.policy.document["services"]["redis"]["workload"]["manifest"]
    file = tmp_path / "redis.pem"
    file.write_text(ssl.get_server_certificate(("127.0.0.1", server.port)))
    status, told = server.verify("--certificate", file, *by_policy)
    assert (status, "holds_the_key" in told) == (0, False)
    status, told = server.verify("--certificate", file, *by_policy, "--at", "2020-01-01T00:00:00Z")
    assert (status, told["step"]) == (24, "ra_tls.times")
    # A workload is no custodian, though it names one.
    status, told = server.verify("--certificate", file, "--custodian", "main")
    assert (status, told["step"]) == (24, "ra_tls.manifest")
    shown = server.policy.stage.ask("evidence", "show", file)
    assert shown["evidence"]["platform"] == "sev-snp"


def test_it_goes_on_past_the_first_certificates_end(server: Server) -> None:
    """Redis reads a certificate again when it is told; what the shield put there meanwhile has the same key."""
    first = server.end()

    def renewed() -> bool:
        told = server.ask(server.peer, f"CONFIG SET tls-cert-file {TLS}/certificate.pem".encode())
        assert told == b"+OK\r\n", told
        return server.end() > first

    wait_for("a certificate that ends later", renewed, seconds=LIFE)
    wait_for("the end of the first one", lambda: datetime.now(UTC) > first, seconds=2 * LIFE)
    wait_for("a certificate of now", lambda: renewed() and server.ask(server.peer) == b"+PONG\r\n", seconds=LIFE)
