"""Evidence of a TPM by plan: a quote, what endorses its key, a log, and what is asked of all that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.expectations import Expected
from casemate.attestation.platforms.tpm.verify import BANK, RUNTIME_PCR
from casemate.testing.amd import der
from casemate.testing.tpm.certificates import AT, Authority, KeyCertificate, RevocationPlan
from casemate.testing.tpm.keys import ec_key, rsa_key
from casemate.testing.tpm.log import Record, written
from casemate.testing.tpm.quotes import MANIFEST, REPORT_DATA, QuotePlan

__all__ = ["EXIT", "KEYS", "MAKER", "RECORDS", "ROOT", "Plan", "below", "fingerprint", "machine", "right", "with_log"]

ROOT: Final = Authority("root")
MAKER: Final = Authority("maker", ROOT, path_length=0)

RECORDS: Final = (
    Record(0, 8, b"version", b"v1"),
    Record(4, 0x8000_0003, b"loader"),
    Record(4, 4, b"\0\0\0\0", b"\0\0\0\0"),
    Record(5, 0x8000_0006, b"partitions"),
    Record(RUNTIME_PCR, 13, b"runtime"),
)

EXIT: Final = tuple(
    Record(5, 0x8000_0007, text)
    for text in (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success")
)
"""What is extended when boot services end."""

KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "ecdsa-p256": ("ecdsa", "sha256"),
    "ecdsa-p384": ("ecdsa", "sha384"),
    "rsassa": ("rsassa", "sha256"),
    "rsapss": ("rsapss", "sha256"),
    "rsassa-sha384": ("rsassa", "sha384"),
}
"""Scheme and hash of the keys that are believed."""


@dataclass(frozen=True)
class Plan:
    """`certificates` are brought along, in this order, and `tail` behind them; none is the root. `change` is the last
    to touch the report.
    """

    quote: QuotePlan
    certificates: tuple[Authority | KeyCertificate, ...]
    lists: tuple[RevocationPlan, ...]
    root: Authority = ROOT
    trusted: bool = True
    log: bytes | None = None
    at: datetime = AT
    floors: Mapping[str, int] = field(default_factory=dict)
    excused: frozenset[str] = frozenset()
    tail: bytes = b""
    change: Callable[[bytes], bytes] | None = None

    def but(self, **parts: bytes) -> Plan:
        """With other bytes in the quote."""
        return replace(self, quote=self.quote.but(**parts))

    def report(self) -> bytes:
        made = self.quote.built()
        return made if self.change is None else self.change(made)

    def pem(self) -> bytes:
        made = [x509.load_der_x509_certificate(one.issue()) for one in self.certificates]
        return b"".join(one.public_bytes(Encoding.PEM) for one in made) + self.tail

    def crls(self) -> list[bytes]:
        return [one.issue() for one in self.lists]

    def expected(self) -> Expected:
        return Expected(report_data=REPORT_DATA, manifest=MANIFEST, floors=dict(self.floors), excused=self.excused)


def machine(*, production: bool = True, zone: bytes = b"zone-1") -> bytes:
    """What Google would say of a machine."""
    security = der.sequence(
        (
            der.encode(0xA0, der.encode(0x02, b"\0")),
            der.encode(0xA1, der.encode(0x01, b"\xff" if production else b"\0")),
        )
    )
    numbers = [der.encode(0x02, value) for value in (b"\x05", b"\x00\xff\xff\xff\xff\xff\xff\xff\xff")]
    texts = [der.encode(0x0C, text) for text in (zone, b"project", b"name")]
    return der.sequence((texts[0], numbers[0], texts[1], numbers[1], texts[2], der.encode(0xA0, security)))


def right(name: str = "ecdsa-p256") -> Plan:
    """Evidence that verifies, of a kind of key."""
    scheme, algorithm = KEYS[name]
    key = _key(name)
    return Plan(
        quote=QuotePlan(key, scheme, algorithm),
        certificates=(KeyCertificate(key.public_key(), MAKER), MAKER),
        lists=(RevocationPlan(ROOT), RevocationPlan(MAKER)),
    )


def below(root: Authority, count: int) -> list[Authority]:
    """Authorities, one below the other."""
    made = [root]
    for name in ("another key", "stranger", "key", "maker")[:count]:
        made.append(Authority(name, made[-1]))
    return made[1:]


def fingerprint(authority: Authority) -> str:
    """By which floors are kept."""
    return f"sha256:{hashlib.sha256(authority.issue()).hexdigest()}"


def with_log(plan: Plan, unlogged: tuple[Record, ...] = ()) -> Plan:
    """Registers as the records of a log leave them, and that log; of records that were not logged, the registers."""
    values = dict(plan.quote.values[BANK]) | {record.register: bytes(32) for record in RECORDS}
    for record in (*RECORDS, *unlogged):
        values[record.register] = hashlib.sha256(values[record.register] + record.digest(BANK)).digest()
    return replace(plan, quote=replace(plan.quote, values={BANK: values}), log=written(RECORDS))


def _key(name: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if not name.startswith("ecdsa"):
        return rsa_key("key")
    return ec_key("key", ec.SECP384R1 if name.endswith("p384") else ec.SECP256R1)
