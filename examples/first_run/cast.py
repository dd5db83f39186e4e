"""Who is on the stage when the play begins: platform, custodian, policy, redis under the shield."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from casemate.testing.stage import Result, Stage, StageError, free_port, wait_for
from examples.first_run.ledger import Ledger
from examples.first_run.screen import Screen

__all__ = ["Cast", "prepare"]

POLICY = """\
casemate: 1
policy: {name}
genesis: {genesis}
principals:
  alice: {{key: "{alice}"}}
  auditor: {{key: "{auditor}"}}
access:
  read: {{any: [alice, auditor]}}
  update: {{at_least: 2, of: [alice, auditor]}}
services:
  api:
    workload: {{manifest: {api}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    files:
      /run/redis/redis.conf: {{mode: "0400", content: "{conf}"}}
      /run/redis/key.pem: {{mode: "0400", content: "{{{{ secret.tls.private_key }}}}"}}
      /run/redis/cert.pem: {{mode: "0444", content: "{{{{ secret.tls.chain }}}}"}}
      /run/redis/ca.pem: {{mode: "0444", content: "{{{{ secret.ca.certificate }}}}"}}
  client:
    workload: {{manifest: {client}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    environment: {{REDISCLI_AUTH: "{{{{ secret.password }}}}"}}
    files:
      /run/redis/ca.pem: {{mode: "0444", content: "{{{{ secret.ca.certificate }}}}"}}
  probe:
    workload: {{manifest: {probe}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
{ledgers}volumes:
{volumes}secrets:
  password: {{kind: random, bytes: 24, encoding: base64url}}
  ca: {{kind: x509-ca, common_name: records CA}}
  tls: {{kind: x509, issuer: ca, common_name: api.records, dns: [localhost], ip: ["127.0.0.1"], valid_for: 30d}}
"""

CONF = (
    "port 0\\ntls-port {port}\\nbind 127.0.0.1\\ntls-cert-file /run/redis/cert.pem\\n"
    "tls-key-file /run/redis/key.pem\\ntls-ca-cert-file /run/redis/ca.pem\\ntls-auth-clients no\\n"
    'requirepass {{ secret.password }}\\nsave \\"\\"\\nappendonly no\\ndir /data\\n'
)

USER = "12345:12345"


@dataclass
class Cast:
    """Everything that the attacks attack."""

    stage: Stage
    port: int
    redis_port: int
    keys: dict[str, str]
    runtime: str
    manifests: dict[str, str] = field(default_factory=dict)
    genesis: str = ""
    agent: subprocess.Popen[bytes] | None = None
    custodian: subprocess.Popen[bytes] | None = None
    redis: subprocess.Popen[bytes] | None = None
    ledger: Ledger = field(init=False)
    archive: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger, self.archive = Ledger(self.stage, "ledger"), Ledger(self.stage, "archive")

    @property
    def data(self) -> Path:
        return self.stage.folder / "custodian"

    @property
    def anchor(self) -> Path:
        return self.stage.folder / "anchor"

    def serve(self) -> None:
        """Starts the custodian and waits until it answers."""
        self.custodian = self.stage.start("custodian", "custodian", "serve", "main", "--port", str(self.port))
        self.wait_custodian()

    def wait_custodian(self) -> None:
        process = self.custodian
        assert process is not None

        def ready() -> bool:
            if process.poll() is not None:
                raise StageError(f"the custodian stopped: {self.stage.log('custodian')[-2000:]}")
            return _listens(self.port)

        wait_for("the custodian", ready)

    @contextmanager
    def pausing_custodian(self) -> Iterator[None]:
        """All of its processes stand still."""
        processes: list[int] = []
        try:
            for process in _family(_pid(f"--port={self.port}")):
                os.kill(process, signal.SIGSTOP)
                processes.append(process)
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def run_redis(self) -> None:
        self.redis = self.stage.start("redis", "run", "acme/records#api")
        process = self.redis

        def ready() -> bool:
            if process.poll() is not None:
                raise StageError(f"redis stopped: {self.stage.log('redis')[-2000:]}")
            return _listens(self.redis_port)

        wait_for("redis", ready)

    def redis_cli(self, commands: str) -> Result:
        """The stock redis-cli, under the shield as well: it gets CA and password from the same policy."""
        return self.stage.cli("run", "acme/records#client", stdin=commands)

    def redis_pid(self) -> int:
        """Of the workload itself, as root on the host sees it."""
        return _pid(f"redis-server 127.0.0.1:{self.redis_port}")


def prepare(stage: Stage, screen: Screen) -> Cast:
    cast = _platform_and_people(stage, screen)
    _custodian(cast, screen)
    _manifests(cast, screen)
    _policy(cast, screen)
    _first_run(cast, screen)
    return cast


def _platform_and_people(stage: Stage, screen: Screen) -> Cast:
    stage.ask("platform", "init")
    agent = stage.start("platform", "platform", "simulate", "--containers", stage.folder / "containers.sock")
    socket_path = stage.home / "platform" / "agent.sock"
    wait_for("the simulated platform", socket_path.exists)
    keys = {name: stage.ask("identity", "create", name)["key"] for name in ("alice", "auditor", "mallory")}
    runtime = stage.ask("platform", "show")["runtime_measurement"]
    screen.step("a simulated platform, made at random", "it protects nothing: it lets you try everything else")
    screen.step("identities: alice (owner), auditor, mallory (a stranger)")
    return Cast(stage, free_port(), free_port(), keys, runtime, agent=agent)


def _custodian(cast: Cast, screen: Screen) -> None:
    url = f"http://127.0.0.1:{cast.port}"
    made = cast.stage.ask(
        "custodian", "init", "main", "--data", cast.data, "--anchor", cast.anchor, "--board", "alice", "--url", url
    )
    cast.serve()
    seen = cast.stage.ask("custodian", "attest", "main")
    screen.step("a custodian under its own shield, measured down to the interpreter", made["identity"][:23] + "…")
    screen.step("attested before anybody trusts it", f"platform {seen['platform']}, manifest {seen['manifest'][:23]}…")


def _manifests(cast: Cast, screen: Screen) -> None:
    stage = cast.stage
    made = stage.ask(
        "policy", "init", "acme/records", "--owner", "alice", "--owner", "auditor", "--approvals", "2",
        "--insecure-simulation", "--output", stage.folder / "starter.yaml",
    )  # fmt: skip
    cast.genesis = made["genesis"]
    probe = compile_c(stage, "probe")
    build = ("manifest", "build", "--user", USER)
    files = [f"--file=/run/redis/{name}" for name in ("redis.conf", "key.pem", "cert.pem", "ca.pem")]
    cast.manifests = {
        "api": stage.ask(*build, "--policy=acme/records#api", "--writable=/data", *files, "--",
                         "/usr/bin/redis-server", "/run/redis/redis.conf")["manifest"],
        "client": stage.ask(*build, "--policy=acme/records#client", "--file=/run/redis/ca.pem",
                            "--hole=REDISCLI_AUTH=[A-Za-z0-9_-]+", "--env=REDISCLI_AUTH={{ hole.REDISCLI_AUTH }}",
                            "--", "/usr/bin/redis-cli", "-h", "127.0.0.1", "-p", str(cast.redis_port),
                            "--tls", "--cacert", "/run/redis/ca.pem")["manifest"],
        "probe": stage.ask(*build, "--policy=acme/records#probe", "--", probe,
                           str(stage.home / "platform" / "agent.sock"))["manifest"],
    }  # fmt: skip
    for ledger in (cast.ledger, cast.archive):
        ledger.build("--user", USER)
    screen.step("launch manifests: redis-server, redis-cli and their closures", cast.manifests["api"][:23] + "…")


def _policy(cast: Cast, screen: Screen) -> None:
    path = cast.stage.folder / "records.yaml"
    path.write_text(policy_text(cast))
    checked = cast.stage.ask("policy", "check", path)
    cast.stage.ask("policy", "submit", path, "--as", "alice", "--as", "auditor")
    screen.step("a policy with a small CA, a server certificate, a password", f"version {checked['version'][:23]}…")
    screen.step("signed by alice and the auditor: neither can change it alone")


def policy_text(cast: Cast, name: str = "acme/records", **changes: str) -> str:
    values = {
        "name": name,
        "genesis": cast.genesis,
        "alice": cast.keys["alice"],
        "auditor": cast.keys["auditor"],
        "runtime": cast.runtime,
        "conf": CONF.replace("{port}", str(cast.redis_port)),
        "ledgers": "".join(ledger.services(cast.runtime) for ledger in (cast.ledger, cast.archive)),
        "volumes": "".join(ledger.volume() for ledger in (cast.ledger, cast.archive)),
        **cast.manifests,
        **changes,
    }
    return POLICY.format(**values)


def _first_run(cast: Cast, screen: Screen) -> None:
    cast.run_redis()
    screen.step("Debian's redis-server runs under the shield, TLS on", f"127.0.0.1:{cast.redis_port}")
    said = cast.redis_cli("SET patient:1 recovered\nGET patient:1\n")
    if said.status or "recovered" not in said.output:
        raise StageError(f"redis-cli: {said.output} {said.errors}")
    screen.step("a stock redis-cli connects over TLS, writes and reads", "SET patient:1 → OK, GET → recovered")


def compile_c(stage: Stage, name: str) -> Path:
    """One of the attackers' programs, from its source beside this file."""
    source = Path(__file__).parent / "attacks" / f"{name}.c"
    target = stage.folder / name
    compiler = shutil.which("cc")
    if compiler is None:
        raise StageError("no C compiler: install build-essential")
    subprocess.run([compiler, "-O1", "-static", "-o", target, source], check=True)
    return target


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _pid(words: str) -> int:
    """Of the process that has these words on its command line."""
    for entry in Path("/proc").glob("[0-9]*"):
        if words in _cmdline(entry):
            return int(entry.name)
    raise StageError(f"no process has {words} on its command line")


def _family(process: int) -> Iterator[int]:
    """A process and all that it started, parents first."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _cmdline(entry: Path) -> str:
    try:
        return re.sub(r"\0", " ", (entry / "cmdline").read_text(errors="replace"))
    except OSError:
        return ""
