"""Each way to be wrong, by name: one change of evidence that is right, and the step that must notice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.platforms.tpm.verify import BANK, CAP, MANIFEST_PCR, RUNTIME_PCR, pcr_of
from casemate.errors import (
    EndorsementError,
    EvidenceError,
    EvidenceMalformedError,
    EvidenceRejectedError,
    SignatureError,
)
from casemate.testing.tpm.certificates import (
    END,
    LIST_END,
    LIST_START,
    NUMBER,
    START,
    Authority,
    KeyCertificate,
    RevocationPlan,
)
from casemate.testing.tpm.keys import ec_key, rsa_key
from casemate.testing.tpm.log import Record, short_log, written
from casemate.testing.tpm.plan import EXIT, MAKER, RECORDS, ROOT, Plan, below, fingerprint, machine, right, with_log
from casemate.testing.tpm.quotes import MANIFEST, REPORT_DATA, RESTRICTED, sized

__all__ = ["WRONG", "Wrong"]

_SECOND: Final = timedelta(seconds=1)
_STRANGER: Final = Authority("stranger")


@dataclass(frozen=True)
class Wrong:
    """`change` makes a right plan wrong, in one way."""

    change: Callable[[Plan], Plan]
    error: type[EvidenceError]
    step: str
    base: Callable[[], Plan] = right


def _rsa() -> Plan:
    return right("rsassa")


def _logged() -> Plan:
    return with_log(right())


def _bytes(step: str, base: Callable[[], Plan] = right, **parts: bytes) -> Wrong:
    """Other bytes in the quote, signed."""
    return Wrong(lambda plan: plan.but(**parts), EvidenceMalformedError, f"evidence.{step}", base)


def _report(
    change: Callable[[bytes], bytes], step: str = "quote", error: type[EvidenceError] = EvidenceMalformedError
) -> Wrong:
    """Other bytes than the ones that were signed."""
    return Wrong(lambda plan: replace(plan, change=change), error, f"evidence.{step}")


def _quote(step: str, change: Callable[[Plan], Plan], base: Callable[[], Plan] = right) -> Wrong:
    return Wrong(change, EvidenceRejectedError, f"evidence.{step}", base)


def _attributes(*names: str) -> Wrong:
    return _quote("key", lambda plan: replace(plan, quote=replace(plan.quote, attributes=names)))


def _endorsed(step: str, change: Callable[[Plan], Plan]) -> Wrong:
    return Wrong(change, EndorsementError, f"evidence.{step}")


def _values(plan: Plan, change: Callable[[dict[int, bytes]], None], bank: str = BANK) -> Plan:
    values = dict(plan.quote.values[BANK])
    change(values)
    return replace(plan, quote=replace(plan.quote, values={bank: values}))


def _least() -> Plan:
    """A quote of the two registers that must be there."""
    plan = right()
    kept = {number: plan.quote.values[BANK][number] for number in (RUNTIME_PCR, MANIFEST_PCR)}
    return replace(plan, quote=replace(plan.quote, values={BANK: kept}))


def _without(register: int) -> Wrong:
    return _quote("banks", lambda plan: _values(plan, lambda values: values.__delitem__(register)))


def _bank(bank: str) -> Callable[[Plan], Plan]:
    """Only that one."""
    digests = {number: hashlib.new(bank, bytes([number])).digest() for number in range(16)}
    return lambda plan: replace(plan, quote=replace(plan.quote, values={bank: digests}))


def _beside(plan: Plan) -> Plan:
    return replace(plan, quote=plan.quote.pcr(0, bytes(20), bank="sha1"))


def _pcr15(value: bytes) -> Wrong:
    return _quote("manifest", lambda plan: replace(plan, quote=plan.quote.pcr(MANIFEST_PCR, value)))


def _extra(value: bytes) -> Wrong:
    return _quote("report_data", lambda plan: replace(plan, quote=replace(plan.quote, extra=value)))


def _key(bits: int = 2048, exponent: int = 65537, name: str = "key") -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, quote=replace(plan.quote, key=rsa_key(name, bits, exponent)))


def _scheme(plan: Plan, scheme: bytes, signature: bytes) -> Plan:
    """Of key and signature alike."""
    return plan.but(key_scheme=scheme + b"\0\x0b", signature_scheme=scheme, signature=signature)


def _halves(plan: Plan) -> bytes:
    """What RSA signs, as if it were r and s: of the same attest, since only the key's scheme is another."""
    value = plan.but(key_scheme=b"\0\x18\0\x0b").quote.signed_value()
    return sized(value[: len(value) // 2]) + sized(value[len(value) // 2 :])


def _signed_by_another(plan: Plan) -> Plan:
    return replace(plan, quote=replace(plan.quote, signer=ec_key("another key")))


def _under(maker: Authority, *above: Authority) -> Callable[[Plan], Plan]:
    """The key's certificate below another authority."""

    def change(plan: Plan) -> Plan:
        leaf = KeyCertificate(plan.quote.key.public_key(), maker)
        return replace(plan, certificates=(leaf, maker, *above), lists=(*plan.lists, RevocationPlan(maker)))

    return change


def _leaf(**changes: Any) -> Callable[[Plan], Plan]:
    def change(plan: Plan) -> Plan:
        leaf = replace(KeyCertificate(plan.quote.key.public_key(), MAKER), **changes)
        return replace(plan, certificates=(leaf, MAKER))

    return change


def _maker(**changes: Any) -> Callable[[Plan], Plan]:
    return _under(replace(MAKER, **changes))


def _lists(*lists: RevocationPlan) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lists=lists)


def _withheld(authority: Authority) -> Callable[[Plan], Plan]:
    """Without the list of an authority of which one was seen, which the caller excuses."""
    others = tuple(RevocationPlan(one) for one in (ROOT, MAKER) if one is not authority)
    floors, excused = {fingerprint(authority): NUMBER}, frozenset({"crl"})
    return lambda plan: replace(plan, lists=others, floors=floors, excused=excused)


def _at(time: datetime) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, at=time)


def _log(data: bytes, error: type[EvidenceError] = EvidenceRejectedError) -> Wrong:
    return Wrong(lambda plan: replace(plan, log=data), error, "evidence.log", _logged)


def _flipped(position: int) -> Callable[[bytes], bytes]:
    def change(report: bytes) -> bytes:
        return report[:position] + bytes([report[position] ^ 1]) + report[position + 1 :]

    return change


def _last_changed(report: bytes) -> bytes:
    return report[:-1] + bytes([report[-1] ^ 1])


_QUOTES: Final = {
    "quote-is-empty": _report(lambda _: b""),
    "quote-is-cut": _report(lambda report: report[:-1]),
    "quote-with-a-tail": _bytes("quote", tail=b"\0"),
    "attest-with-a-tail": _bytes("quote", end=b"\0"),
    "key-with-a-tail": _bytes("quote", key_end=b"\0"),
    "not-made-by-the-tpm": _bytes("generated", magic=b"\xff\x54\x43\x48"),
    "certifies-a-key": _bytes("type", kind=b"\x80\x17"),
    "safe-is-neither": _bytes("quote", safe=b"\2"),
    "more-banks-than-there-are": _bytes("banks", _least, selection=b"\xff\xff\xff\xff\0\x0b\3\0\x88\0"),
    "a-bank-twice": _bytes("quote", _least, selection=b"\0\0\0\2" + b"\0\x0b\3\0\x88\0" * 2),
    "a-selection-of-another-size": _bytes("quote", _least, selection=b"\0\0\0\1\0\x0b\4\0\x88\0"),
    "a-bank-that-is-not-known": _bytes("banks", selection=b"\0\0\0\1\0\x12\3\0\x88\0"),
    "sha1-only": _quote("banks", _bank("sha1")),
    "sha1-beside": _quote("banks", _beside),
    "sha384-only": _quote("banks", _bank("sha384")),
    "nothing-selected": _quote("banks", lambda plan: _values(plan, dict.clear)),
    "without-the-runtime": _without(RUNTIME_PCR),
    "without-the-manifest": _without(MANIFEST_PCR),
    "signed-by-another-key": Wrong(_signed_by_another, SignatureError, "evidence.signature"),
    "nonce-changed-afterwards": _report(_flipped(50), "signature", SignatureError),
    "signature-of-zeros": Wrong(
        lambda plan: plan.but(signature=sized(bytes(32)) * 2), SignatureError, "evidence.signature"
    ),
    "value-changed-afterwards": _report(_last_changed, "pcrs", EvidenceRejectedError),
    "another-nonce": _extra(hashlib.sha256(b"another").digest()),
    "no-nonce": _extra(b""),
    "report-data-itself": _extra(REPORT_DATA),
    "another-manifest": _pcr15(pcr_of(bytes(32))),
    "no-manifest": _pcr15(bytes(32)),
    "manifest-not-closed": _pcr15(hashlib.sha256(bytes(32) + MANIFEST).digest()),
    "closed-before": _pcr15(hashlib.sha256(hashlib.sha256(bytes(32) + CAP).digest() + MANIFEST).digest()),
    "extended-once-more": _pcr15(hashlib.sha256(pcr_of(MANIFEST) + bytes(32)).digest()),
}

_KEYS: Final = {
    "key-not-restricted": _attributes(*(name for name in RESTRICTED if name != "restricted")),
    "key-may-move": _attributes(*(name for name in RESTRICTED if name != "fixedTPM")),
    "key-may-get-another-parent": _attributes(*(name for name in RESTRICTED if name != "fixedParent")),
    "key-was-imported": _attributes(*(name for name in RESTRICTED if name != "sensitiveDataOrigin")),
    "key-does-not-sign": _attributes(*(name for name in RESTRICTED if name != "sign")),
    "key-decrypts": _attributes(*RESTRICTED, "decrypt"),
    "key-with-reserved-attribute": _bytes("quote", attributes=b"\x01\x05\x00\x72"),
    "key-named-by-an-unknown-hash": _bytes("key", name_algorithm=b"\0\x12"),
    "key-named-by-sha1": _bytes("key", name_algorithm=b"\0\x04"),
    "key-with-a-policy-of-another-size": _bytes("quote", policy=sized(bytes(20))),
    "key-with-a-cipher": _bytes("quote", cipher=b"\0\x06\0\x80\0\x43"),
    "key-with-a-derivation": _bytes("quote", derivation=b"\0\x20\0\x0b"),
    "key-of-another-kind": _bytes("key", key_kind=b"\0\x08"),
    "key-on-another-curve": _bytes("key", curve=b"\0\5"),
    "key-beside-its-curve": _bytes("key", y=sized(bytes(31) + b"\1")),
    "key-without-a-scheme": _quote("algorithm", lambda plan: plan.but(key_scheme=b"\0\x10")),
    "key-with-an-unknown-scheme": _bytes("algorithm", key_scheme=b"\0\x1a\0\x0b"),
    "key-with-sha1": _quote("algorithm", lambda plan: plan.but(key_scheme=b"\0\x18\0\x04")),
    "signed-with-sha1": _quote("algorithm", lambda plan: replace(plan, quote=replace(plan.quote, algorithm="sha1"))),
    "key-with-sha512": _quote("algorithm", lambda plan: plan.but(key_scheme=b"\0\x18\0\x0d")),
    "curve-with-a-scheme-of-rsa": _quote("algorithm", lambda plan: _scheme(plan, b"\0\x14", sized(bytes(64)))),
    "rsa-key-with-a-scheme-of-curves": _quote("algorithm", lambda plan: _scheme(plan, b"\0\x18", _halves(plan)), _rsa),
    "rsa-key-of-1024-bits": _quote("key", _key(1024, name="weak"), _rsa),
    "rsa-key-with-exponent-3": _quote("key", _key(exponent=3), _rsa),
    "rsa-key-of-another-size": _bytes("quote", _rsa, bits=b"\x0c\x00"),
    "rsa-key-that-is-too-large": _bytes("quote", _rsa, bits=b"\x10\x08", modulus=sized(b"\xff" * 513)),
    "signed-in-another-scheme": _quote("algorithm", lambda plan: plan.but(signature_scheme=b"\0\x16"), _rsa),
    "signed-with-another-hash": _quote("algorithm", lambda plan: plan.but(key_scheme=b"\0\x18\0\x0c")),
    "signed-in-an-unknown-scheme": _bytes("algorithm", signature_scheme=b"\0\x1a"),
}

_CHAINS: Final = {
    "no-certificate": _endorsed("authority", lambda plan: replace(plan, certificates=())),
    "certificate-of-another-key": _endorsed("certificates", _leaf(key=ec_key("another key").public_key())),
    "certificate-with-a-critical-extension": _endorsed("certificates", _leaf(critical=True)),
    "certificates-and-something-else": _endorsed("certificates", lambda plan: replace(plan, tail=b"more")),
    "certificates-without-end": _endorsed("certificates", lambda plan: replace(plan, tail=b"\n" * 16 * 1024)),
    "machine-not-for-production": _endorsed("machine", _leaf(machine=machine(production=False))),
    "machine-that-cannot-be-read": _endorsed("machine", _leaf(machine=machine()[:-1])),
    "certificate-of-an-authority": _endorsed("chain", _leaf(authority=True)),
    "certificate-that-signs-certificates": _endorsed("chain", _leaf(uses=("digital_signature", "key_cert_sign"))),
    "certificate-of-a-key-that-decrypts": _endorsed("chain", _leaf(uses=("key_agreement",))),
    "root-of-somebody-else": _endorsed("root", _under(_STRANGER)),
    "root-not-trusted": _endorsed("root", lambda plan: replace(plan, trusted=False)),
    "authority-is-missing": _endorsed("root", lambda plan: replace(plan, certificates=plan.certificates[:1])),
    "authority-is-none": _endorsed("chain", _maker(authority=False)),
    "authority-may-not-sign": _endorsed("chain", _maker(uses=("crl_sign",))),
    "authority-with-one-too-many-below": _endorsed("chain", _under(Authority("stranger", MAKER), MAKER)),
    "authority-signed-by-somebody-else": _endorsed("chain", _maker(issuer=_STRANGER, names="root")),
    "authority-signed-with-sha384": _endorsed("chain", _maker(sha384=True)),
    "authority-of-1024-bits": _endorsed("chain", _under(Authority("weak", ROOT, bits=1024))),
    "authority-of-a-curve": _endorsed("chain", _maker(key=ec_key("maker", ec.SECP384R1))),
    "authorities-without-end": _endorsed("root", _under(*reversed(below(ROOT, 4)))),
    "no-list": _endorsed("crl", _lists()),
    "no-list-of-the-root": _endorsed("crl", _lists(RevocationPlan(MAKER))),
    "no-list-of-the-authority": _endorsed("crl", _lists(RevocationPlan(ROOT))),
    "list-of-somebody-else": _endorsed(
        "crl", _lists(RevocationPlan(ROOT), RevocationPlan(MAKER), RevocationPlan(_STRANGER))
    ),
    "key-revoked": _endorsed("revoked", _lists(RevocationPlan(ROOT), RevocationPlan(MAKER, revoked=("key",)))),
    "authority-revoked": _endorsed("revoked", _lists(RevocationPlan(ROOT, revoked=("maker",)), RevocationPlan(MAKER))),
    "list-older-than-one-seen": _endorsed(
        "crl_floor", lambda plan: replace(plan, floors={fingerprint(MAKER): NUMBER + 1})
    ),
    "list-left-out-where-one-was-seen": _endorsed("crl_floor", _withheld(MAKER)),
    "list-of-the-root-left-out-where-one-was-seen": _endorsed("crl_floor", _withheld(ROOT)),
    "certificate-not-yet": _endorsed("validity", _leaf(start=LIST_END)),
    "certificate-expired": _endorsed("validity", _leaf(end=LIST_START)),
    "authority-expired": _endorsed("validity", _maker(end=LIST_START)),
    "list-not-yet": _endorsed("validity", _at(LIST_START - _SECOND)),
    "list-expired": _endorsed("validity", _at(LIST_END + _SECOND)),
    "long-before-everything": _endorsed("validity", _at(START - _SECOND)),
    "long-after-everything": _endorsed("validity", _at(END + _SECOND)),
}

_LOGS: Final = {
    "log-of-another-start": _log(written((*RECORDS, Record(4, 13, b"another loader")))),
    "log-without-half-of-an-end": Wrong(lambda _: with_log(right(), EXIT[:1]), EvidenceRejectedError, "evidence.log"),
    "log-without-an-end-in-pcr-4": Wrong(
        lambda _: with_log(right(), tuple(replace(one, register=4) for one in EXIT)),
        EvidenceRejectedError,
        "evidence.log",
    ),
    "log-that-is-cut": _log(written(RECORDS)[:-1], EvidenceMalformedError),
    "log-of-another-bank": _log(short_log(RECORDS), EvidenceMalformedError),
    "log-is-empty": _log(b"", EvidenceMalformedError),
}

WRONG: Final[Mapping[str, Wrong]] = {**_QUOTES, **_KEYS, **_CHAINS, **_LOGS}
