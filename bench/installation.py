"""A simulated platform, a custodian with two workers, and a policy: what the benchmarks run against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.manifest import library
from casemate.manifest.build import Built
from casemate.testing.stage import Stage, free_port, wait_for
from casemate.wire import canonical

__all__ = ["Installation", "built", "installed"]

WORKERS: Final = 2
_POLICY: Final = """\
casemate: 1
policy: bench/records
genesis: {genesis}
principals:
  alice: {{key: "{alice}"}}
access:
  read: {{any: [alice]}}
  update: {{any: [alice]}}
services:
  api:
    workload: {{manifest: {manifest}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    files:
      /run/redis/key.pem: {{mode: "0400", content: "{{{{ secret.tls.private_key }}}}"}}
      /run/redis/cert.pem: {{mode: "0444", content: "{{{{ secret.tls.chain }}}}"}}
      /run/redis/password: {{mode: "0400", content: "{{{{ secret.password }}}}"}}
secrets:
  password: {{kind: random, bytes: 24, encoding: base64url}}
  ca: {{kind: x509-ca, common_name: bench CA}}
  tls: {{kind: x509, issuer: ca, common_name: bench, dns: [localhost], valid_for: 30d}}
"""


@dataclass(frozen=True)
class Installation:
    """`built` is the launch manifest of redis-server's closure that the policy admits; `runtime` the shield's value."""

    stage: Stage
    port: int
    runtime: str
    genesis: bytes
    identity: str
    built: Built

    @property
    def agent(self) -> Path:
        return self.stage.home / "platform" / "agent.sock"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def installed() -> Iterator[Installation]:
    with Stage() as stage:
        yield _install(stage)


def _install(stage: Stage) -> Installation:
    port = free_port()
    stage.ask("platform", "init")
    stage.start("platform", "platform", "simulate")
    wait_for("the platform", (stage.home / "platform" / "agent.sock").exists)
    alice = stage.ask("identity", "create", "alice")["key"]
    runtime = stage.ask("platform", "show")["runtime_measurement"]
    stage.ask("custodian", "init", "main", "--data", stage.folder / "data", "--anchor", stage.folder / "anchor",
              "--board", "alice", "--url", f"http://127.0.0.1:{port}")  # fmt: skip
    stage.start("custodian", "custodian", "serve", "main", "--port", str(port), "--workers", str(WORKERS))
    wait_for("the custodian", lambda: stage.cli("custodian", "status").status == 0)
    genesis = stage.ask("policy", "init", "bench/records", "--owner", "alice", "--insecure-simulation",
                        "--output", stage.folder / "starter.yaml")["genesis"]  # fmt: skip
    files = [f"--file=/run/redis/{name}" for name in ("key.pem", "cert.pem", "password")]
    manifest = stage.ask("manifest", "build", "--policy=bench/records#api", "--user=12345:12345", *files, "--",
                         "/usr/bin/redis-server", "--version")["manifest"]  # fmt: skip
    path = stage.folder / "records.yaml"
    path.write_text(_POLICY.format(genesis=genesis, alice=alice, manifest=manifest, runtime=runtime))
    stage.ask("policy", "submit", path)
    pin = canonical.decode((stage.home / "custodians" / "main.json").read_bytes())
    return Installation(
        stage=stage,
        port=port,
        runtime=runtime,
        genesis=canonical.encode(pin["genesis"]),
        identity=canonical.digest(pin["genesis"]),
        built=built(stage, manifest),
    )


def built(stage: Stage, manifest: str) -> Built:
    """A manifest that was built there, by its digest."""
    return library.load(stage.home / "manifests", manifest)
