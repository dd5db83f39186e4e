"""Certificates of a custodian's TLS (spec/ra-tls.md), verified by its identity. The evidence in them is none.

Signatures of certificates are deterministic (RFC 6979), as everything here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from scripts.vectors import _certificates as by_hand
from scripts.vectors import genesis, instances, results
from scripts.vectors._form import (
    Case,
    b64u,
    bind,
    canonical,
    digest,
    hpke_text,
    key_text,
    raw_digest,
    render,
    seed,
    sha256,
    signing_key,
)  # fmt: skip
from scripts.vectors.wrappers import head, octets, record, tag, text, wrapped

__all__ = ["document"]

OID = "2.23.133.5.4.9"
TYPE = "application/vnd.casemate.ra-tls+json"
PURPOSE = b"casemate/ra-tls/v1"
AT = instances.AT
START, END = datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 20, tzinfo=UTC)
EDGE = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
SERIAL = int.from_bytes(b"\x41" * 16, "big")
CUSTODIAN = genesis.identity(genesis.RECORD)


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(seed(f"tls {name}"), "big") >> 8, ec.SECP256R1())


_OF_ANOTHER_CURVE = ec.derive_private_key(int.from_bytes(seed("tls key"), "big"), ec.SECP384R1())


def _spki(name: str) -> bytes:
    return _key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _vouched(name: str = "key", by: str = "instance", purpose: bytes = PURPOSE, custodian: str = CUSTODIAN) -> str:
    message = bind(purpose, raw_digest(custodian), sha256(_spki(name)))
    return b64u(signing_key(by).sign(message))


CARRIED: dict[str, Any] = {
    "casemate_ra_tls": 1,
    "custodian": CUSTODIAN,
    "manifest": digest("custodian manifest"),
    "signing_key": key_text("instance"),
    "hpke_key": hpke_text("sealing"),
    "evidence": {"format": "sev-snp-report", "report": b64u(bytes(1184))},
    "endorsements": {"certificates": "", "crls": []},
    "instance": results.certificate(),
    "signature": _vouched(),
}


def document() -> str:
    return render(
        "certificates (DER, hex) for a custodian that was pinned; `step` is the check that refuses, `at` the time",
        genesis=canonical(genesis.RECORD).decode(),
        instance_key=key_text("instance"),
        tls_key=_key("key").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(),
        good=[
            {"name": "in its time", "certificate": _certificate().hex(), "at": AT},
            {"name": "in its first second", "certificate": _certificate().hex(), "at": "2026-11-23T08:00:00Z"},
            {"name": "in its last second", "certificate": _certificate().hex(), "at": "2026-11-23T20:00:00Z"},
        ],
        hostile=[*_values(), *_certificates(), *_forms(), *_wrappers()],
    )


def _certificate(
    carried: dict[str, Any] | bytes | None = None,
    *,
    key: str = "key",
    tls: ec.EllipticCurvePrivateKey | None = None,
    signer: str | None = None,
    start: datetime = START,
    end: datetime = END,
    value: bytes | None = None,
    oid: str = OID,
    more: str | None = None,
) -> bytes:
    data = carried if isinstance(carried, bytes) else canonical(CARRIED if carried is None else carried)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "casemate")])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key((tls or _key(key)).public_key())
        .serial_number(SERIAL).not_valid_before(start).not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )  # fmt: skip
    for one, content in ((oid, wrapped(TYPE, data) if value is None else value), *(((more, b"x"),) if more else ())):
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(one), content), False)
    made = builder.sign(tls or _key(signer or key), hashes.SHA256(), ecdsa_deterministic=True)
    return made.public_bytes(Encoding.DER)


def _case(name: str, certificate: bytes, step: str, at: str = AT) -> Case:
    return {"name": name, "certificate": certificate.hex(), "at": at, "step": step}


def _values() -> list[Case]:
    form = "ra_tls.form"
    changed: dict[str, tuple[dict[str, Any], str]] = {
        "another format": ({"casemate_ra_tls": 2}, form),
        "an unknown field": ({"more": 1}, form),
        "another custodian": ({"custodian": digest("other")}, "ra_tls.custodian"),
        "another signing key": ({"signing_key": key_text("stranger")}, "ra_tls.keys"),
        "another sealing key": ({"hpke_key": hpke_text("stranger")}, "ra_tls.keys"),
        "a signature over another key": ({"signature": _vouched("other")}, "ra_tls.signature"),
        "a signature by a stranger": ({"signature": _vouched(by="stranger")}, "ra_tls.signature"),
        "a signature for another purpose": ({"signature": _vouched(purpose=b"casemate/custodian/v1")},
                                            "ra_tls.signature"),
        "a signature for another custodian": ({"signature": _vouched(custodian=digest("other"))}, "ra_tls.signature"),
        "a signature that is too short": ({"signature": b64u(bytes(63))}, form),
        "an instance of a stranger": ({"instance": results.certificate({}, "stranger")}, "instance.signature"),
        "an instance of another custodian": ({"instance": results.certificate({"custodian": digest("other")})},
                                             "instance.custodian"),
        "an instance whose time is over": ({"instance": results.certificate({"not_after": "2026-11-23T08:14:59Z"})},
                                           "instance.times"),
        "an instance that is none": ({"instance": "e30"}, "instance.form"),
        "an instance as an array": ({"instance": _as_array(results.certificate())}, "instance.form"),
        "evidence as an array": ({"evidence": list(CARRIED["evidence"].values())}, form),
        "endorsements as an array": ({"endorsements": list(CARRIED["endorsements"].values())}, form),
        "a format as an object": ({"evidence": {**CARRIED["evidence"], "format": {"sev-snp-report": None}}}, form),
    }  # fmt: skip
    without = {name: {inner: CARRIED[inner] for inner in CARRIED if inner != name} for name in CARRIED}
    neither = {name: CARRIED[name] for name in CARRIED if name not in ("instance", "signature")}
    twice = canonical(CARRIED).replace(b'"custodian"', b'"custodian":"x","custodian"')
    return [
        *(_case(name, _certificate({**CARRIED, **change}), step) for name, (change, step) in changed.items()),
        *(_case(f"without {name}", _certificate(carried), form) for name, carried in without.items()),
        _case("the form as an array", _certificate(canonical(list(CARRIED.values()))), form),
        _case("evidence alone", _certificate(neither), "instance.form"),
        _case("a name twice", _certificate(twice), form),
        _case("JSON that is not canonical", _certificate(canonical(CARRIED) + b" "), form),
        _case("no JSON", _certificate(b"\xff"), form),
    ]


def _as_array(text: str) -> str:
    envelope = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return b64u(canonical([envelope[name] for name in ("payloadType", "payload", "signatures")]))


def _certificates() -> list[Case]:
    day = datetime(2026, 11, 24, 8, 0, 1, tzinfo=UTC)
    return [
        _case("another key", _certificate(key="other"), "ra_tls.signature"),
        _case("signed by another key", _certificate(signer="other"), "evidence.certificates"),
        _case("not yet", _certificate(), "ra_tls.times", "2026-11-23T07:59:59Z"),
        _case("no longer", _certificate(), "ra_tls.times", "2026-11-23T20:00:01Z"),
        _case("longer than a day", _certificate(end=day), "ra_tls.times"),
        _case("without the extension", _certificate(oid="1.2.3.4"), "ra_tls.extension"),
        _case("another extension beside it", _certificate(more="1.2.3.4"), "evidence.certificates"),
        _case("a key of another curve", _certificate(tls=_OF_ANOTHER_CURVE), "evidence.certificates"),
        _case("from before 2050 to after, over an instance of before", _certificate(start=EDGE[0], end=EDGE[1]),
              "instance.times", "2050-01-01T00:00:00Z"),
        _case("cut off", _certificate()[:-1], "evidence.certificates"),
        _case("something behind", _certificate() + b"\0", "evidence.certificates"),
        _case("nothing", b"", "ra_tls.extension"),
    ]  # fmt: skip


def _forms() -> list[Case]:
    """Of the certificate itself: each as the right one, but for one part."""
    key, value = _key("key"), wrapped(TYPE, canonical(CARRIED))

    def assembled(change: Mapping[str, bytes]) -> bytes:
        return by_hand.assembled(
            _spki("key"),
            value,
            lambda signed: key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)),
            change,
        )

    if assembled({}) != _certificate():
        raise ValueError("a library writes the right one otherwise: these would be wrong in more than one way")
    return [
        *(_case(name, assembled(change), "evidence.certificates") for name, change in by_hand.FORMS.items()),
        _case("a length that is longer than it must be", _respelled(_certificate()), "evidence.certificates"),
    ]


def _respelled(certificate: bytes) -> bytes:
    """The same, the length of the whole in three bytes instead of two: the signature holds."""
    if certificate[1] != 0x82:
        raise ValueError("another length")
    return bytes([certificate[0], 0x83, 0]) + certificate[2:]


def _wrappers() -> list[Case]:
    data = canonical(CARRIED)
    right = wrapped(TYPE, data)
    collection = text("a") + right
    another: dict[str, bytes] = {
        "of another type": wrapped("application/vnd.casemate.evidence+json", data),
        "of a type that is no media type": wrapped("evidence", data),
        "a wrapper with bits": wrapped(TYPE, data, 4),
        "a wrapper with bits that mean nothing": wrapped(TYPE, data, 99),
        "a wrapper by the number of its type": record(head(0, 263), octets(data)),
        "a wrapper by a number that no type has": record(head(0, 70_000), octets(data)),
        "a wrapper by a number below all": record(head(1, 0), octets(data)),
        "a wrapper with bits that are none": record(text(TYPE), octets(data), b"\xf5"),
        "a wrapper with a tag": head(6, tag(263)) + octets(data),
        "a wrapper with a tag that is not of a type": head(6, tag(263) + 1_000_000) + octets(data),
        "a collection": head(5, 1) + collection,
        "a collection whose type is none": head(5, 2) + text("__cmwc_t") + text("x") + collection,
    }
    none: dict[str, bytes] = {
        "no wrapper": data,
        "a wrapper of JSON": canonical([TYPE, b64u(data)]),
        "a wrapper of JSON, of another type": canonical(["application/vnd.casemate.evidence+json", b64u(data)]),
        "a wrapper of JSON, of many": canonical({"a": [TYPE, b64u(data)]}),
        "an empty extension": b"",
        "a wrapper of text": record(text(TYPE), text("e30")),
        "a wrapper whose type is bytes": record(octets(TYPE.encode()), octets(data)),
        "a wrapper whose type is true": record(b"\xf5", octets(data)),
        "a wrapper of a record": record(text(TYPE), record(octets(data))),
    }
    broken: dict[str, bytes] = {
        "a wrapper with something behind": right + b"\0",
        "a collection that is cut off": head(5, 2) + collection,
        "a collection with a name twice": head(5, 2) + collection * 2,
        "a wrapper with a tag that is cut off": head(6, tag(263)),
        "a wrapper whose type is a float": record(b"\xf9\0\0", octets(data)),
        "a wrapper of a record that is cut off": record(text(TYPE), head(4, 2) + octets(data)),
        "a wrapper of many records, one in the other": record(text(TYPE), head(4, 1) * 8 + octets(data)),
        "a wrapper that is cut off": right[:-1],
        "a wrapper whose type is no text": record(head(3, 2) + b"\xff\xff", octets(data)),
        "a wrapper with a length that is longer than it must be": record(_longer(TYPE), octets(data)),
    }
    steps = (another, "ra_tls.type"), (none, "evidence.cmw"), (broken, "evidence.cbor")
    return [_case(name, _certificate(value=value), step) for cases, step in steps for name, value in cases.items()]


def _longer(value: str) -> bytes:
    """A text whose length, under 256, is written in two bytes."""
    return b"\x79" + len(value).to_bytes(2, "big") + value.encode()
