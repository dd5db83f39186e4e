"""The custodian's throughput: attestations a second, with two workers, on the machine that also makes the load.

Challenges are fetched, and reports, keys and signatures made beforehand (nonces live for a minute): what is timed is
that the custodian verifies, decides, records durably, seals and answers. Every answer must be a release.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.asking import attestation, send, signed
from bench.installation import Installation
from bench.result import Result
from casemate.simulator import pki
from casemate.wire.fields import b64u_decode

__all__ = ["measure"]

_CONNECTIONS: Final = 32
_ROUNDS: Final = 7
_EACH: Final = 25
"""Requests of one connection in a round."""


def measure(installation: Installation) -> list[Result]:
    load = _Load(installation, pki.load(installation.stage.home / "platform"))
    rates, latencies = [], []
    for number in range(_ROUNDS + 1):
        seconds, took = asyncio.run(load.round())
        if number:  # the first one warms up
            rates.append(len(took) / seconds)
            latencies += [item * 1000 for item in took]
    return [
        Result("custodian: attestations a second", "/s", rates, goal=400, more_is_better=True),
        Result(f"custodian: latency of one, with {_CONNECTIONS} at once", "ms", latencies),
    ]


@dataclass(frozen=True)
class _Load:
    installation: Installation
    platform: pki.SimulatedPlatform

    async def round(self) -> tuple[float, list[float]]:
        """Seconds for all, and for each one."""
        port = self.installation.port
        keys = [[Ed25519PrivateKey.generate() for _ in range(_EACH)] for _ in range(_CONNECTIONS)]
        challenges = await send(port, [[signed(key, "/v1/challenges", b"{}") for key in line] for line in keys])
        requests = [
            [self._attestation(key, answer) for key, (answer, _) in zip(line, answers, strict=True)]
            for line, answers in zip(keys, challenges, strict=True)
        ]
        begin = time.perf_counter()
        answers = list(itertools.chain.from_iterable(await send(port, requests)))
        seconds = time.perf_counter() - begin
        if any("configuration" not in json.loads(answer) for answer, _ in answers):
            raise SystemExit(f"bench: not a release: {answers[0][0].decode()[:300]}")
        return seconds, [took for _, took in answers]

    def _attestation(self, key: Ed25519PrivateKey, challenge: bytes) -> bytes:
        nonce = b64u_decode(json.loads(challenge)["nonce"])
        return attestation(self.installation, self.platform, self.installation.built.parsed.data, key, nonce)
