"""Attacks on the way between shield and custodian: replay, relay, a forging proxy, the wrong custodian."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import replace

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.testing.stage import free_port, wait_for
from casemate.wire import canonical, sealing, signatures
from casemate.wire.binding import hpke_key_text, release_info, sha256_text, signing_key_text
from casemate.wire.fields import b64u_decode, b64u_encode
from examples.first_run.attacks._proxy import Exchange, proxy
from examples.first_run.cast import Cast
from examples.first_run.screen import Outcome

_NOT_GENUINE = 69


def replayed(cast: Cast) -> Outcome:
    recorded = _record(cast)
    answer = _post(cast, "/v1/attestations", recorded.body, {
        name: recorded.headers[name] for name in ("content-digest", "signature-input", "signature")
    })  # fmt: skip
    code = answer.json()["code"]
    return Outcome(
        tried="Record a genuine attestation on the wire and send it again, byte for byte.",
        happened=f"The custodian answered {answer.status_code}, {code}.",
        why="A nonce is good once. Even without that the answer would be sealed to a key that only the shield has.",
        held=answer.status_code == 403 and code == "nonce.refused",
    )


def relayed(cast: Cast) -> Outcome:
    recorded = json.loads(_record(cast).body)
    key, hpke = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    nonce = _signed(cast, key, "/v1/challenges", {}).json()["nonce"]
    request = {
        **recorded,
        "nonce": nonce,
        "signing_key": signing_key_text(key.public_key().public_bytes_raw()),
        "hpke_key": hpke_key_text(hpke.public_key().public_bytes_raw()),
    }
    answer = _signed(cast, key, "/v1/attestations", request)
    code = answer.json()["code"]
    return Outcome(
        tried="Take a genuine report from the wire, a fresh nonce and the attacker's own keys, all correctly signed.",
        happened=f"The custodian answered {answer.status_code}, {code}.",
        why="The report binds purpose, custodian, nonce, both keys and the manifest; another key gives another report.",
        held=answer.status_code == 403 and code == "evidence.refused",
    )


def forged(cast: Cast) -> Outcome:
    forger = Ed25519PrivateKey.generate()

    def forge(exchange: Exchange) -> Exchange:
        return _forged_answer(cast, exchange, forger) if exchange.path == "/v1/attestations" else exchange

    with proxy(_url(cast), forge) as recorder:
        result = cast.stage.cli("run", "acme/records#client", "--address", recorder.address, stdin="PING\n")
    return Outcome(
        tried="A proxy lets the genuine challenge pass and answers the attestation itself: its own password and CA, "
        "correctly encrypted to the attested key, with the genuine instance certificate beside it.",
        happened=result.said,
        why="To encrypt to the shield proves nothing: anybody can. The shield believes only what the custodian's "
        "instance key signed, over this very request, and checks that before it opens anything.",
        held=result.status == _NOT_GENUINE and "PONG" not in result.output,
    )


def other_custodian(cast: Cast) -> Outcome:
    stage, port = cast.stage, free_port()
    stage.ask(
        "custodian", "init", "other", "--data", stage.folder / "other", "--anchor", stage.folder / "other-anchor",
        "--board", "mallory", "--url", f"http://127.0.0.1:{port}",
    )  # fmt: skip
    process = stage.start("other", "custodian", "serve", "other", "--port", str(port), "--workers", "1")
    wait_for("the other custodian", lambda: stage.cli("custodian", "status", "--custodian", "other").status == 0)
    genuine_software = stage.ask("custodian", "attest", "other")["platform"] == "simulated"
    result = stage.cli("run", "acme/records#client", "--address", f"http://127.0.0.1:{port}", stdin="PING\n")
    stage.stop(process)
    return Outcome(
        tried="Mallory runs a custodian of her own: the same measured software on the same platform, attested, with "
        "her name on the board. The host sends the shield there.",
        happened=result.said,
        why="The manifest pins the custodian's identity, not its software: the hash of a genesis record with its board "
        "and its key.",
        held=genuine_software and result.status == _NOT_GENUINE,
    )


def _record(cast: Cast) -> Exchange:
    with proxy(_url(cast)) as recorder:
        cast.stage.cli("run", "acme/records#client", "--address", recorder.address, stdin="PING\n")
        return recorder.attestation()


def _forged_answer(cast: Cast, exchange: Exchange, forger: Ed25519PrivateKey) -> Exchange:
    asked, genuine = json.loads(exchange.body), json.loads(exchange.answer)
    info = release_info(
        custodian=cast.stage.ask("custodian", "status", "--custodian", "main")["identity"],
        nonce=b64u_decode(asked["nonce"]),
        manifest=sha256_text(b64u_decode(asked["manifest"])),
        policy_genesis=genuine["policy"]["genesis"],
        policy_version=genuine["policy"]["version"],
        signing_key=asked["signing_key"],
    )
    own = {"casemate_configuration": 1, "holes": {"REDISCLI_AUTH": "mallory"}, "files": []}
    sealed = sealing.seal(canonical.encode(own), asked["hpke_key"], info=info)
    body = canonical.encode({**genuine, "configuration": b64u_encode(sealed)})
    instance = exchange.answer_headers["casemate-instance"]
    signed = signatures.sign_response(
        forger,
        status=200,
        body=body,
        instance=instance,
        request_signature=exchange.headers["signature"],
        created=int(time.time()),
        keyid=_instance_key(instance),
    )
    headers = {"content-type": "application/json", "casemate-instance": instance, **signed.as_headers()}
    return replace(exchange, answer=body, answer_headers=headers)


def _instance_key(header: str) -> str:
    payload = canonical.decode(b64u_decode(header))["payload"]
    key: str = json.loads(base64.b64decode(payload))["key"]
    return key


def _signed(cast: Cast, key: Ed25519PrivateKey, path: str, value: object) -> httpx.Response:
    body = canonical.encode(value)
    signed = signatures.sign_request(
        key, method="POST", path=path, query="", body=body, created=int(time.time()), nonce=secrets.token_bytes(16)
    )
    return _post(cast, path, body, signed.as_headers())


def _post(cast: Cast, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(_url(cast) + path, content=body, timeout=10, trust_env=False,
                      headers={"content-type": "application/json", **headers})  # fmt: skip


def _url(cast: Cast) -> str:
    return f"http://127.0.0.1:{cast.port}"


__all__ = ["forged", "other_custodian", "relayed", "replayed"]
