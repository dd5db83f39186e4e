"""Requests as shields make them, over a few connections that stay open: what loads a custodian."""

from __future__ import annotations

import asyncio
import json
import os
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.installation import Installation
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.binding import Purpose, digest_bytes, hpke_key_text, report_data, sha256_text, signing_key_text
from casemate.wire.fields import b64u_encode
from casemate.wire.signatures import sign_request

__all__ = ["attestation", "send", "signed"]


def attestation(
    installation: Installation, platform: SimulatedPlatform, manifest: bytes, key: Ed25519PrivateKey, nonce: bytes
) -> bytes:
    """The request of a genuine shield that runs `manifest`."""
    digest = sha256_text(manifest)
    signing = signing_key_text(key.public_key().public_bytes_raw())
    hpke = hpke_key_text(X25519PrivateKey.generate().public_key().public_bytes_raw())
    data = report_data(
        Purpose.RELEASE,
        custodian=installation.identity,
        nonce=nonce,
        signing_key=signing,
        hpke_key=hpke,
        manifest=digest,
    )
    measurement = bytes.fromhex(installation.runtime.removeprefix("sha384:"))
    body = {
        "nonce": b64u_encode(nonce),
        "evidence": {
            "format": "sev-snp-report",
            "report": b64u_encode(platform.report(measurement, digest_bytes(digest), data)),
        },
        "endorsements": {
            "certificates": b64u_encode(platform.certificate_table),
            "crls": [b64u_encode(crl) for crl in platform.crls],
        },
        "manifest": b64u_encode(manifest),
        "signing_key": signing,
        "hpke_key": hpke,
    }
    return signed(key, "/v1/attestations", json.dumps(body).encode())


def signed(key: Ed25519PrivateKey, path: str, body: bytes) -> bytes:
    """A whole HTTP request."""
    headers = sign_request(
        key, method="POST", path=path, query="", body=body, created=int(time.time()), nonce=os.urandom(16)
    ).as_headers()
    fields = {"host": "custodian", "content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def send(port: int, lines: list[list[bytes]]) -> list[list[tuple[bytes, float]]]:
    """For each line of requests one connection, on which each waits for the answer before it: answers, and seconds."""
    return list(await asyncio.gather(*(_one_line(port, requests) for requests in lines)))


async def _one_line(port: int, requests: list[bytes]) -> list[tuple[bytes, float]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for request in requests:
        begin = time.perf_counter()
        writer.write(request)
        answers.append((await _answer(reader), time.perf_counter() - begin))
    writer.close()
    await writer.wait_closed()
    return answers


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)
