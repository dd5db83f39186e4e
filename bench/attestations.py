"""The custodian's throughput: attestations a second, with two workers, on the machine that also makes the load.

Challenges are fetched, and reports, keys and signatures made beforehand (nonces live for a minute): what is timed is
that the custodian verifies, decides, records durably, seals and answers. Every answer must be a release.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.installation import Installation
from bench.result import Result
from casemate.simulator import pki
from casemate.wire.binding import Purpose, digest_bytes, hpke_key_text, report_data, sha256_text, signing_key_text
from casemate.wire.fields import b64u_decode, b64u_encode
from casemate.wire.signatures import sign_request

__all__ = ["measure"]

_CONNECTIONS: Final = 32
_ROUNDS: Final = 7
_EACH: Final = 800


def measure(installation: Installation) -> list[Result]:
    load = _Load(installation, pki.load(installation.stage.home / "platform"))
    rates, latencies = [], []
    for number in range(_ROUNDS + 1):
        seconds, took = asyncio.run(load.round(_EACH))
        if number:  # the first one warms up
            rates.append(_EACH / seconds)
            latencies += [item * 1000 for item in took]
    return [
        Result("custodian: attestations a second", "/s", rates, goal=400, more_is_better=True),
        Result(f"custodian: latency of one, with {_CONNECTIONS} at once", "ms", latencies),
    ]


@dataclass(frozen=True)
class _Load:
    installation: Installation
    platform: pki.SimulatedPlatform

    async def round(self, count: int) -> tuple[float, list[float]]:
        """Seconds for all, and for each one."""
        keys = [Ed25519PrivateKey.generate() for _ in range(count)]
        nonces = [
            b64u_decode(json.loads(answer)["nonce"])
            for answer, _ in await self._send([_signed(key, "/v1/challenges", b"{}") for key in keys])
        ]
        requests = [self._attestation(key, nonce) for key, nonce in zip(keys, nonces, strict=True)]
        begin = time.perf_counter()
        answers = await self._send(requests)
        seconds = time.perf_counter() - begin
        if any("configuration" not in json.loads(answer) for answer, _ in answers):
            raise SystemExit(f"bench: not a release: {answers[0][0].decode()[:300]}")
        return seconds, [took for _, took in answers]

    def _attestation(self, key: Ed25519PrivateKey, nonce: bytes) -> bytes:
        manifest = self.installation.built.parsed.data
        digest = sha256_text(manifest)
        signing = signing_key_text(key.public_key().public_bytes_raw())
        hpke = hpke_key_text(X25519PrivateKey.generate().public_key().public_bytes_raw())
        data = report_data(
            Purpose.RELEASE,
            custodian=self.installation.identity,
            nonce=nonce,
            signing_key=signing,
            hpke_key=hpke,
            manifest=digest,
        )
        measurement = bytes.fromhex(self.installation.runtime.removeprefix("sha384:"))
        body = {
            "nonce": b64u_encode(nonce),
            "evidence": {
                "format": "sev-snp-report",
                "report": b64u_encode(self.platform.report(measurement, digest_bytes(digest), data)),
            },
            "endorsements": {
                "certificates": b64u_encode(self.platform.certificate_table),
                "crls": [b64u_encode(crl) for crl in self.platform.crls],
            },
            "manifest": b64u_encode(manifest),
            "signing_key": signing,
            "hpke_key": hpke,
        }
        return _signed(key, "/v1/attestations", json.dumps(body).encode())

    async def _send(self, requests: list[bytes]) -> list[tuple[bytes, float]]:
        """Answers in the order of the requests, over a few connections that stay open."""
        answers: list[tuple[bytes, float]] = [(b"", 0.0)] * len(requests)
        numbers = iter(range(len(requests)))

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.installation.port)
            for number in numbers:
                begin = time.perf_counter()
                writer.write(requests[number])
                answers[number] = (await _answer(reader), time.perf_counter() - begin)
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(client() for _ in range(_CONNECTIONS)))
        return answers


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


def _signed(key: Ed25519PrivateKey, path: str, body: bytes) -> bytes:
    headers = sign_request(
        key, method="POST", path=path, query="", body=body, created=int(time.time()), nonce=os.urandom(16)
    ).as_headers()
    fields = {"host": "custodian", "content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
