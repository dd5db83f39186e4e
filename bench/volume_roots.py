"""Strict updates of volumes' roots a second, over many volumes, with two workers on the machine that makes the load.

Each volume has one writer, as a strict volume has: it waits for the answer before it sends the next update. Requests
are signed beforehand; what is timed is that the custodian verifies, compares, stores durably, anchors and signs. Every
answer must say that the record was set.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.asking import attestation, send, signed
from bench.installation import Installation, built
from bench.result import Result
from casemate.simulator import pki
from casemate.wire.fields import b64u_decode

__all__ = ["measure"]

_SERVICES: Final = 4
_EACH: Final = 16
"""Volumes of one service, the most that it can mount."""
_ROUNDS: Final = 7
_UPDATES: Final = 30
"""Of each volume in a round."""

_POLICY: Final = """\
casemate: 1
policy: bench/volumes
genesis: {genesis}
principals:
  alice: {{key: "{alice}"}}
access:
  read: {{any: [alice]}}
  update: {{any: [alice]}}
services:
{services}volumes:
{volumes}"""
_SERVICE: Final = """\
  s{number}:
    workload: {{manifest: {manifest}}}
    runtime: {{measurement: {runtime}}}
    platforms: [simulated]
    volumes:
{mounted}"""
_NOTHING: Final = {"volume": "A" * 22, "state": "uninitialised", "generation": "0", "root": "sha256:" + "0" * 64,
                   "fence": "0"}  # fmt: skip


def measure(installation: Installation) -> list[Result]:
    writers = asyncio.run(_writers(installation, _manifests(installation)))
    rates, latencies = [], []
    for number in range(_ROUNDS + 1):
        seconds, took = asyncio.run(_round(installation.port, writers))
        if number:  # the first one warms up
            rates.append(len(took) / seconds)
            latencies += [item * 1000 for item in took]
    p99 = statistics.quantiles(latencies, n=100)[98]
    many = len(writers)
    return [
        Result(f"custodian: strict root updates a second over {many} volumes", "/s", rates, 2000, more_is_better=True),
        Result(f"custodian: latency of one, with {many} at once", "ms", latencies),
        Result("custodian: of that, the 99th percentile", "ms", [p99]),
    ]


@dataclass
class _Writer:
    """Of one volume; `record` is what its anchor holds."""

    key: Ed25519PrivateKey
    path: str
    record: dict[str, Any]

    def update(self, **change: str) -> bytes:
        generation = str(int(self.record["generation"]) + 1)
        new = {**self.record, "state": "active", "generation": generation, "root": f"sha256:{generation:0>64}"} | change
        body = json.dumps({"set": {"expected": self.record, "new": new}}).encode()
        self.record = new
        return signed(self.key, self.path, body)


async def _round(port: int, writers: list[_Writer]) -> tuple[float, list[float]]:
    """Seconds for all, and for each one."""
    lines = [[writer.update() for _ in range(_UPDATES)] for writer in writers]
    begin = time.perf_counter()
    answers = list(itertools.chain.from_iterable(await send(port, lines)))
    seconds = time.perf_counter() - begin
    _all_set(answer for answer, _ in answers)
    return seconds, [took for _, took in answers]


async def _writers(installation: Installation, manifests: list[bytes]) -> list[_Writer]:
    """A lease for each service, and its volumes taken."""
    platform, port = pki.load(installation.stage.home / "platform"), installation.port
    keys = [Ed25519PrivateKey.generate() for _ in manifests]
    challenges = await send(port, [[signed(key, "/v1/challenges", b"{}")] for key in keys])
    nonces = [b64u_decode(json.loads(answer)["nonce"]) for ((answer, _),) in challenges]
    requests = [
        [attestation(installation, platform, manifest, key, nonce)]
        for manifest, key, nonce in zip(manifests, keys, nonces, strict=True)
    ]
    leases = [json.loads(answer)["lease"]["id"] for ((answer, _),) in await send(port, requests)]
    writers = [
        _Writer(key, f"/v1/leases/{lease}/volumes/{_name(number, index)}", dict(_NOTHING))
        for number, (key, lease) in enumerate(zip(keys, leases, strict=True))
        for index in range(_EACH)
    ]
    first = await send(port, [[writer.update(fence="1", volume="B" * 21 + "A")] for writer in writers])
    _all_set(answer for ((answer, _),) in first)
    return writers


def _all_set(answers: Any) -> None:
    for answer in answers:
        if json.loads(answer).get("outcome") != "set":
            raise SystemExit(f"bench: not set: {answer.decode()[:300]}")


def _manifests(installation: Installation) -> list[bytes]:
    """Submits the policy; the manifests of its services."""
    stage = installation.stage
    genesis = stage.ask("policy", "init", "bench/volumes", "--owner", "alice", "--insecure-simulation",
                        "--output", stage.folder / "volumes-starter.yaml")["genesis"]  # fmt: skip
    places = [f"--volume=/v{index:02}" for index in range(_EACH)]
    digests = [
        stage.ask("manifest", "build", f"--policy=bench/volumes#s{number}", "--user=12345:12345", *places, "--",
                  "/usr/bin/redis-server", "--version")["manifest"]
        for number in range(_SERVICES)
    ]  # fmt: skip
    path = stage.folder / "volumes.yaml"
    path.write_text(_policy(genesis, stage.ask("identity", "show", "alice")["key"], installation.runtime, digests))
    stage.ask("policy", "submit", path)
    return [built(stage, digest).parsed.data for digest in digests]


def _policy(genesis: str, alice: str, runtime: str, manifests: list[str]) -> str:
    services = "".join(
        _SERVICE.format(
            number=number,
            manifest=manifest,
            runtime=runtime,
            mounted="".join(
                f"      /v{index:02}: {{volume: {_name(number, index)}, mode: write}}\n" for index in range(_EACH)
            ),
        )
        for number, manifest in enumerate(manifests)
    )
    volumes = "".join(
        f"  {_name(number, index)}: {{freshness: strict, root: hash, accept_anchor: [insecure_file]}}\n"
        for number in range(_SERVICES)
        for index in range(_EACH)
    )
    return _POLICY.format(genesis=genesis, alice=alice, services=services, volumes=volumes)


def _name(service: int, index: int) -> str:
    return f"volume-{service}-{index:02}"
