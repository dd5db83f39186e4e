"""Attestation results as tokens (spec/ear-profile.md): by an instance whose certificate is in their header."""

from __future__ import annotations

from scripts.vectors import genesis, instances
from scripts.vectors._form import Case, b64, b64u, canonical, digest, key_text, render, seed, signing_key

__all__ = ["certificate", "document"]

ISSUED = 1_795_421_700  # 2026-11-23T08:15:00Z, as `AT`
AT = instances.AT
HEADER: dict[str, object] = {"alg": "EdDSA", "typ": "eat+jwt", "kid": key_text("instance")}
CLAIMS: dict[str, object] = {
    "platform": "tdx",
    "product": "tdx",
    "runtime_measurement": "sha384:" + "5a" * 48,
    "manifest": digest("manifest"),
    "service": "acme/records#api",
    "tcb": {"evaluation": 17, "module": 5},
    "tcb_status": "up-to-date",
    "advisories": [],
    "values": {"fmspc": "00806f050000"},
    "lacks": [],
}
VECTOR: dict[str, object] = {
    "instance-identity": 2,
    "configuration": 2,
    "executables": 2,
    "file-system": 2,
    "hardware": 2,
    "runtime-opaque": 2,
    "storage-opaque": 0,
    "sourced-data": 0,
}
APPRAISAL: dict[str, object] = {
    "eat_profile": "tag:casemate.dev,2026:ear#1",
    "ear_status": "affirming",
    "ear_trustworthiness_vector": VECTOR,
    "ear_appraisal_policy_ids": [digest("policy version")],
    "ear_attester_claims": CLAIMS,
    "ear_verifier_claims": {"warnings": {}},
}
REASON = "sw-hardening-needed (INTEL-SA-00615), waived until 2027-01-31"
WARNED: dict[str, object] = {
    **APPRAISAL,
    "ear_status": "warning",
    "ear_trustworthiness_vector": {**VECTOR, "hardware": 32},
    "ear_attester_claims": {**CLAIMS, "tcb_status": "sw-hardening-needed", "advisories": ["INTEL-SA-00615"]},
    "ear_verifier_claims": {"warnings": {"hardware": REASON}},
}
PAYLOAD: dict[str, object] = {
    "eat_profile": "tag:ietf.org,2026:rats/ear#04",
    "iss": genesis.identity(genesis.RECORD),
    "iat": ISSUED,
    "exp": ISSUED + 300,
    "eat_nonce": b64u(seed("nonce")),
    "cnf": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": key_text("workload").removeprefix("ed25519:")}},
    "ear_verifier_id": {"developer": "https://casemate.dev", "build": "casemate 0.1.0"},
    "submods": {"workload": APPRAISAL},
}


def document() -> str:
    return render(
        "results of a custodian that callers pinned; `step` is the check that refuses, `at` the caller's time",
        genesis=canonical(genesis.RECORD).decode(),
        nonce=PAYLOAD["eat_nonce"],
        key=key_text("workload"),
        good=_good(),
        hostile=[*_headers(), *_certificates(), *_payloads(), *_texts()],
    )


def certificate(change: dict[str, object] | None = None, *signers: str) -> str:
    payload = canonical({**instances.PAYLOAD, **(change or {})})
    signed = b"DSSEv1 %d %b %d %b" % (len(instances.TYPE), instances.TYPE.encode(), len(payload), payload)
    signatures = [
        {"keyid": key_text(name), "sig": b64(signing_key(name).sign(signed))} for name in signers or ("identity",)
    ]
    envelope = {"payloadType": instances.TYPE, "payload": b64(payload), "signatures": signatures}
    return b64u(canonical(envelope))


def _token(
    payload: dict[str, object] | bytes | None = None,
    header: dict[str, object] | None = None,
    *,
    own: str | None = None,
    by: str = "instance",
) -> str:
    named = {**HEADER, "casemate_instance": certificate() if own is None else own, **(header or {})}
    data = payload if isinstance(payload, bytes) else canonical(payload or PAYLOAD)
    given = canonical({name: value for name, value in named.items() if value is not None})
    signed = f"{b64u(given)}.{b64u(data)}"
    return f"{signed}.{b64u(signing_key(by).sign(signed.encode()))}"


def _good() -> list[Case]:
    warned = {**PAYLOAD, "submods": {"workload": WARNED}}
    return [
        {"name": "affirmed", "token": _token(), "at": AT, "status": "affirming", "warnings": {}},
        {"name": "in its last second", "token": _token(), "at": "2026-11-23T08:19:59Z", "status": "affirming",
         "warnings": {}},
        {"name": "a clock that is five minutes behind", "token": _token(), "at": "2026-11-23T08:10:00Z",
         "status": "affirming", "warnings": {}},
        {"name": "warned of", "token": _token(warned), "at": AT, "status": "warning", "warnings": {"hardware": REASON}},
    ]  # fmt: skip


def _case(name: str, token: str, step: str, at: str = AT) -> Case:
    return {"name": name, "token": token, "at": at, "step": step}


def _headers() -> list[Case]:
    form = "token header.schema"
    changed: dict[str, tuple[dict[str, object], str]] = {
        "without an algorithm": ({"alg": "none"}, form),
        "an algorithm of shared keys": ({"alg": "HS256"}, form),
        "of another type": ({"typ": "JWT"}, form),
        "with a place to get keys from": ({"jku": "https://keys.example"}, form),
        "with a key of its own": ({"jwk": {"kty": "OKP"}}, form),
        "with something critical": ({"crit": ["b64"]}, form),
        "without a certificate": ({"casemate_instance": None}, form),
        "without a key": ({"kid": None}, form),
        "a key that the certificate does not name": ({"kid": key_text("stranger")}, "result.key"),
    }
    return [_case(name, _token(header=header), step) for name, (header, step) in changed.items()]


def _certificates() -> list[Case]:
    stranger = _token(header={"kid": key_text("stranger")}, by="stranger", own=certificate(
        {"key": key_text("stranger")}, "stranger"))  # fmt: skip
    return [
        _case("an empty certificate", _token(own=""), "instance.form"),
        _case("a certificate by a stranger", stranger, "instance.signature"),
        _case("a certificate by a stranger as well", _token(own=certificate({}, "identity", "stranger")),
              "instance.signature"),
        _case("a certificate of another custodian", _token(own=certificate({"custodian": digest("other")})),
              "instance.custodian"),
        _case("a certificate of more than a day", _token(own=certificate(
            {"not_after": "2026-11-24T08:00:01Z"})), "instance.times"),
        _case("signed by a stranger", _token(by="stranger"), "result.signature"),
        _case("older than its certificate", _token(own=certificate({"not_before": "2026-11-23T08:15:01Z"})),
              "result.issued"),
        _case("longer than its certificate", _token(own=certificate({"not_after": "2026-11-23T08:19:59Z"})),
              "result.issued"),
    ]  # fmt: skip


def _payloads() -> list[Case]:
    form = "result.schema"

    def within(**change: object) -> dict[str, object]:
        return {"submods": {"workload": {**APPRAISAL, **change}}}

    changed: dict[str, tuple[dict[str, object], str]] = {
        "of another EAR": ({"eat_profile": "tag:ietf.org,2026:rats/ear#03"}, form),
        "of another profile": (within(eat_profile="tag:casemate.dev,2026:ear#2"), form),
        "of another custodian": ({"iss": digest("other custodian")}, "result.issuer"),
        "a claim that is not known": ({"nbf": ISSUED}, form),
        "a claim inside that is not known": (within(more=1), form),
        "a status that is not one": (within(ear_status="fine"), form),
        "better than its vector": (within(ear_trustworthiness_vector={**VECTOR, "hardware": 32}), "result.vector"),
        "a number that is none": (within(ear_trustworthiness_vector={**VECTOR, "hardware": 128}), form),
        "of no policy": (within(ear_appraisal_policy_ids=[]), form),
        "times that are true": ({"iat": True}, form),
        "ends before it begins": ({"exp": ISSUED - 1}, "result.issued"),
    }
    missing = {f"without {name}": {inner: PAYLOAD[inner] for inner in PAYLOAD if inner != name} for name in PAYLOAD}
    return [
        *(_case(name, _token({**PAYLOAD, **change}), step) for name, (change, step) in changed.items()),
        *(_case(name, _token(payload), form) for name, payload in missing.items()),
        _case("its end", _token(), "result.time", "2026-11-23T08:20:00Z"),
        _case("from the future", _token(), "result.time", "2026-11-23T08:09:59Z"),
    ]


def _texts() -> list[Case]:
    header, body, signature = _token().split(".")
    doubled = canonical(PAYLOAD).replace(b'"iss"', b'"iss":"x","iss"')
    altered = canonical(PAYLOAD).replace(b"acme/records", b"acme/payroll")
    return [
        _case("nothing", "", "result.form"),
        _case("two parts", f"{header}.{body}", "result.form"),
        _case("four parts", f"{header}.{body}.{signature}.", "result.form"),
        _case("an altered payload", f"{header}.{b64u(altered)}.{signature}", "result.signature"),
        _case("no signature", f"{header}.{body}.", "result.signature"),
        _case("padded", f"{header}=.{body}.{signature}", "encoding.base64url"),
        _case("a name twice", _token(doubled), "json.syntax"),
        _case("a payload that is not JSON", _token(b"\xff"), "json.syntax"),
    ]
