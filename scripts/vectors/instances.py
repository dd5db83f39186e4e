"""Instance certificates: DSSE envelopes by a custodian's identity key, in the Casemate-Instance header."""

from __future__ import annotations

import json

from scripts.vectors import genesis
from scripts.vectors._form import Case, b64, b64u, canonical, digest, hpke_text, key_text, render, seed, signing_key

__all__ = ["document"]

TYPE = "application/vnd.casemate.instance.v1+json"
OTHER_TYPE = "application/vnd.casemate.policy.v1+json"
AT = "2026-11-23T08:15:00Z"
PAYLOAD: dict[str, object] = {
    "casemate_instance": 1,
    "custodian": genesis.identity(genesis.RECORD),
    "key": key_text("instance"),
    "sealing_key": hpke_text("sealing"),
    "not_before": "2026-11-23T08:00:00Z",
    "not_after": "2026-11-23T20:00:00Z",
}


def document() -> str:
    return render(
        "headers that a custodian sends with its answers; `step` is the check that refuses, `at` the caller's time",
        genesis=canonical(genesis.RECORD).decode(),
        identity=PAYLOAD["custodian"],
        identity_key=key_text("identity"),
        instance_seed=b64u(seed("instance")),
        good=_good(),
        hostile=[*_times(), *_payloads(), *_envelopes(), *_headers()],
    )


def _envelope(
    payload: dict[str, object] | bytes | None = None,
    *,
    kind: str = TYPE,
    signed_kind: str | None = None,
    signers: tuple[str, ...] = ("identity",),
) -> dict[str, object]:
    data = payload if isinstance(payload, bytes) else canonical(payload or PAYLOAD)
    signed = (signed_kind or kind).encode()
    base = b"DSSEv1 %d %b %d %b" % (len(signed), signed, len(data), data)
    signatures = [{"keyid": key_text(name), "sig": b64(signing_key(name).sign(base))} for name in signers]
    return {"payloadType": kind, "payload": b64(data), "signatures": signatures}


def _header(envelope: dict[str, object]) -> str:
    return b64u(canonical(envelope))


def _good() -> list[Case]:
    header = _header(_envelope())
    day = {**PAYLOAD, "not_after": "2026-11-24T08:00:00Z"}
    facts = {"key": PAYLOAD["key"], "sealing_key": PAYLOAD["sealing_key"]}
    return [
        {"name": "in its time", "header": header, "at": AT, **facts},
        {"name": "in its first second", "header": header, "at": PAYLOAD["not_before"], **facts},
        {"name": "in its last second", "header": header, "at": PAYLOAD["not_after"], **facts},
        {"name": "of a whole day", "header": _header(_envelope(day)), "at": AT, **facts},
        {"name": "spelled with spaces", "header": b64u(json.dumps(_envelope()).encode()), "at": AT, **facts},
    ]


def _case(name: str, header: str, step: str, at: object = AT) -> Case:
    return {"name": name, "header": header, "at": at, "step": f"instance.{step}"}


def _times() -> list[Case]:
    header = _header(_envelope())
    longer = {**PAYLOAD, "not_after": "2026-11-24T08:00:01Z"}
    backwards = {**PAYLOAD, "not_before": PAYLOAD["not_after"], "not_after": PAYLOAD["not_before"]}
    return [
        _case("not yet", header, "times", "2026-11-23T07:59:59Z"),
        _case("no longer", header, "times", "2026-11-23T20:00:01Z"),
        _case("longer than a day", _header(_envelope(longer)), "times"),
        _case("ended before it began", _header(_envelope(backwards)), "times"),
    ]


def _payloads() -> list[Case]:
    changed: dict[str, tuple[dict[str, object], str]] = {
        "another custodian's": ({"custodian": digest("other custodian")}, "custodian"),
        "another format": ({"casemate_instance": 2}, "form"),
        "a format that is true": ({"casemate_instance": True}, "form"),
        "an unknown field": ({"more": 1}, "form"),
        "a key of another kind": ({"key": hpke_text("sealing")}, "form"),
        "a sealing key of another kind": ({"sealing_key": key_text("instance")}, "form"),
        "a key with stray bits": ({"key": "ed25519:" + "A" * 42 + "B"}, "form"),
        "a custodian in capitals": ({"custodian": str(PAYLOAD["custodian"]).upper()}, "form"),
        "a time with a zone": ({"not_after": "2026-11-23T20:00:00+00:00"}, "form"),
        "a time with a fraction": ({"not_after": "2026-11-23T20:00:00.5Z"}, "form"),
        "a day that does not exist": ({"not_after": "2026-02-30T20:00:00Z"}, "form"),
        "a leap second": ({"not_after": "2026-11-23T19:59:60Z"}, "form"),
        "a time before all times": ({"not_before": "1969-12-31T23:59:59Z"}, "form"),
        "a time that is a number": ({"not_after": 1_795_464_000}, "form"),
    }
    missing = {f"without {field}": {name: PAYLOAD[name] for name in PAYLOAD if name != field} for field in PAYLOAD}
    return [
        *(_case(name, _header(_envelope({**PAYLOAD, **change})), step) for name, (change, step) in changed.items()),
        *(_case(name, _header(_envelope(payload)), "form") for name, payload in missing.items()),
    ]


def _envelopes() -> list[Case]:
    genuine, text = _envelope(), canonical(PAYLOAD)
    stranger = _envelope(signers=("stranger",))
    by_stranger = {"keyid": key_text("identity"), "sig": _signature(stranger)["sig"]}
    by_identity = {"keyid": key_text("stranger"), "sig": _signature(genuine)["sig"]}
    twice = text.replace(b'"key":', b'"key":"%b","key":' % key_text("stranger").encode())
    shapes: dict[str, tuple[dict[str, object], str]] = {
        "of a policy": (_envelope(kind=OTHER_TYPE), "signature"),
        "signed as a policy": (_envelope(signed_kind=OTHER_TYPE), "signature"),
        "a type in capitals": (_envelope(kind=TYPE.upper()), "signature"),
        "by a stranger": (stranger, "signature"),
        "by a stranger under the right name": ({**genuine, "signatures": [by_stranger]}, "signature"),
        "under a stranger's name": ({**genuine, "signatures": [by_identity]}, "signature"),
        "of a type that it was not signed for": (_envelope(kind=OTHER_TYPE, signed_kind=TYPE), "signature"),
        "by a stranger as well": (_envelope(signers=("identity", "stranger")), "signature"),
        "by one key twice": (_envelope(signers=("identity", "identity")), "signature"),
        "another payload": ({**genuine, "payload": b64(canonical({**PAYLOAD, "more": 1}))}, "signature"),
        "no signature": ({**genuine, "signatures": []}, "form"),
        "a signature with more": ({**genuine, "signatures": [{**_signature(genuine), "more": 1}]}, "form"),
        "an envelope with more": ({**genuine, "more": 1}, "form"),
        "a signature that is not padded": (_resigned(genuine, _signature(genuine)["sig"][:-2]), "form"),
        "a signature of the other alphabet": (_resigned(genuine, "-_" + _signature(genuine)["sig"][2:]), "form"),
        "a signer of another kind": (
            {**genuine, "signatures": [{**_signature(genuine), "keyid": hpke_text("identity")}]}, "form",
        ),
        "a payload that is not base64": ({**genuine, "payload": "*"}, "form"),
        "a payload that is not padded": ({**genuine, "payload": b64(b"{}  ")[:-2]}, "form"),
        "a payload with a space": (_envelope(text + b" "), "form"),
        "a payload with a name twice": (_envelope(twice), "form"),
        "a payload that is not JSON": (_envelope(b"\xff"), "form"),
    }  # fmt: skip
    return [_case(name, _header(envelope), step) for name, (envelope, step) in shapes.items()]


def _signature(envelope: dict[str, object]) -> dict[str, str]:
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    found: dict[str, str] = signatures[0]
    return found


def _resigned(envelope: dict[str, object], signature: str) -> dict[str, object]:
    return {**envelope, "signatures": [{**_signature(envelope), "sig": signature}]}


def _headers() -> list[Case]:
    text, good = canonical(_envelope()), _header(_envelope())
    doubled = text.replace(b'"payloadType"', b'"payloadType":"x","payloadType"')
    shapes = {
        "nothing": "",
        "not base64url": "*" + good[1:],
        "padded": good + "=" * (-len(good) % 4 or 4),
        "cut short": b64u(text[:-1]),
        "something behind": b64u(text + b"{}"),
        "a name twice": b64u(doubled),
        "not an object": b64u(b"[]"),
        "of more than 8 KiB": b64u(text + b" " * 6144),
    }
    return [_case(name, header, "form") for name, header in shapes.items()]
