"""All that a quote and its endorsements are made of. `right()` plans what verifies; a case changes one thing of it."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from casemate.attestation.expectations import Expected
from casemate.attestation.platforms.sgx.verify import config_of as sgx_config
from casemate.attestation.platforms.tdx.verify import config_of as tdx_config
from casemate.testing.intel.bodies import ENCLAVE, QUOTING, TD, MachinePlan, enclave_bytes, td_bytes
from casemate.testing.intel.documents import identity, info, sent
from casemate.testing.intel.signing import CertificatePlan, ListPlan, key_of, plain_signature, point_of
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["AT", "MANIFEST", "REPORT_DATA", "Change", "Plan", "QuotePlan", "pem", "right", "with_machine"]

AT: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
MANIFEST: Final = hashlib.sha256(b"manifest").digest()
REPORT_DATA: Final = hashlib.sha512(b"report data").digest()

_VENDOR: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_AUTHENTICATION: Final = bytes(range(32))
_ROOT: Final = "Intel SGX Root CA"
_AUTHORITY: Final = "Intel SGX PCK {} CA"


@dataclass(frozen=True)
class QuotePlan:
    """`header` are its fields before the vendor; `body_kind` is None before version 5, `body_size` what it says instead
    of the body's own. `vouching_type` is that of the certification data around the quoting enclave's report, from
    version 4 on, and `vouching_tail` what is behind all in it. `signer` is a key's name, `held` the name of the one
    that the quoting enclave says it holds. `signed` and `whole` are the last to change the bytes,
    before and after the signature; `report` changes the quoting enclave's report before it is signed.
    """

    version: int
    tee_type: int
    body: bytes
    body_kind: int | None
    quoting: Mapping[str, Any] = field(default_factory=lambda: QUOTING)
    body_size: int | None = None
    vouching_type: int = 6
    vouching_tail: bytes = b""
    key_type: int = 2
    reserved: bytes = bytes(4)
    vendor: bytes = _VENDOR
    signer: str = "attestation"
    held: str = "attestation"
    machine: str = "machine"
    authentication: bytes = _AUTHENTICATION
    held_tail: bytes = bytes(32)
    certification_type: int = 5
    signed: Callable[[bytes], bytes] = field(default=lambda data: data)
    report: Callable[[bytes], bytes] = field(default=lambda data: data)
    whole: Callable[[bytes], bytes] = field(default=lambda data: data)
    padding: bytes = b""

    def make(self, certificates: bytes) -> bytes:
        header = struct.pack("<HHI", self.version, self.key_type, self.tee_type) + self.reserved + self.vendor
        size = len(self.body) if self.body_size is None else self.body_size
        kind = b"" if self.body_kind is None else struct.pack("<HI", self.body_kind, size)
        signed = self.signed(header + b"u" * 20 + kind + self.body)
        held = hashlib.sha256(point_of(key_of(self.held)) + self.authentication).digest() + self.held_tail
        report = self.report(enclave_bytes({**self.quoting, "report_data": held}))
        vouched = report + plain_signature(key_of(self.machine), report) + _long("<H", self.authentication)
        vouched += struct.pack("<H", self.certification_type) + _long("<I", certificates)
        if self.version > 3:
            vouched = struct.pack("<H", self.vouching_type) + _long("<I", vouched + self.vouching_tail)
        made = plain_signature(key_of(self.signer), signed) + point_of(key_of("attestation")) + vouched
        return self.whole(signed + _long("<I", made)) + self.padding


@dataclass(frozen=True)
class Plan:
    """`chain` in the quote: root, authority, machine. `order` changes the certificates in the quote, `offered` those
    beside it, `lists_sent` and `documents_sent` what is sent besides.
    """

    tdx: bool
    quote: QuotePlan
    chain: tuple[CertificatePlan, CertificatePlan, CertificatePlan]
    signer: CertificatePlan
    lists: tuple[ListPlan, ...]
    info: Mapping[str, Any]
    identity: Mapping[str, Any]
    document_keys: tuple[str, str] = ("documents", "documents")
    order: Callable[[bytes], bytes] = field(default=lambda data: data)
    offered: Callable[[list[bytes]], list[bytes]] = field(default=lambda ders: ders)
    lists_sent: Callable[[list[bytes]], list[bytes]] = field(default=lambda lists: lists)
    documents_sent: Callable[[list[bytes]], list[bytes]] = field(default=lambda documents: documents)
    log: bytes | None = None
    at: datetime = AT
    floors: Mapping[str, int] = field(default_factory=dict)

    @property
    def root(self) -> bytes:
        """DER of the root that is to be trusted: the made-up Intel's, whatever the quote brings."""
        return _root().issue()

    def evidence(self) -> Evidence:
        root, authority, machine = (one.issue() for one in self.chain)
        report = self.quote.make(self.order(pem(machine, authority, root)))
        return Evidence.model_validate(
            {"format": "tdx-quote" if self.tdx else "sgx-quote", "report": report, "log": self.log}
        )

    def endorsements(self) -> Endorsements:
        keys = self.document_keys
        documents = [sent("tcbInfo", dict(self.info), keys[0]), sent("enclaveIdentity", dict(self.identity), keys[1])]
        return Endorsements(
            certificates=pem(*self.offered([self.signer.issue(), self.chain[0].issue()])),
            crls=self.lists_sent([one.issue() for one in self.lists]),
            documents=self.documents_sent(documents),
        )

    def expected(self) -> Expected:
        return Expected(report_data=REPORT_DATA, manifest=MANIFEST, floors=self.floors)


Change = Callable[[Plan], Plan]


def right(
    *,
    tdx: bool,
    version: int | None = None,
    newer: bool = False,
    kind: str = "Platform",
    body: Mapping[str, Any] = MappingProxyType({}),
) -> Plan:
    """Evidence that verifies. `version` of the quote: 3 for SGX and 4 for TDX where nothing is said. `newer`, a TD
    report of TDX 1.5, is for TDX. `kind` of the machine's authority. `body`: its fields.
    """
    machine, authority = MachinePlan(), _AUTHORITY.format(kind)
    version = (4 if tdx else 3) if version is None else version
    body_kind = _body_kind(tdx=tdx, newer=newer) if version == 5 else None
    made = td_bytes({**_td(), **body}, newer=newer) if tdx else enclave_bytes({**_enclave(), **body})
    return Plan(
        tdx=tdx,
        quote=QuotePlan(version, 0x81 if tdx else 0, made, body_kind),
        chain=(
            _root(),
            CertificatePlan(authority, _ROOT, "authority", "root", 2, 0, ("key_cert_sign", "crl_sign")),
            CertificatePlan(
                "Intel SGX PCK Certificate", authority, "machine", "authority", 3, extensions=machine.extension()
            ),
        ),
        signer=CertificatePlan("Intel SGX TCB Signing", _ROOT, "documents", "root", 4),
        lists=(ListPlan(_ROOT, "root"), ListPlan(authority, "authority")),
        info=info(machine.fmspc, tdx=tdx),
        identity=identity(QUOTING["mr_signer"], QUOTING["product"], tdx=tdx),
    )


def pem(*ders: bytes) -> bytes:
    """As Intel writes it."""
    return b"".join(map(_pem, ders))


def with_machine(plan: Plan, machine: MachinePlan) -> Plan:
    root, authority, leaf = plan.chain
    return replace(plan, chain=(root, authority, replace(leaf, extensions=machine.extension())))


def _body_kind(*, tdx: bool, newer: bool) -> int:
    return (3 if newer else 2) if tdx else 1


def _root() -> CertificatePlan:
    return CertificatePlan(_ROOT, _ROOT, "root", "root", 1, 1, ("key_cert_sign", "crl_sign"))


def _td() -> dict[str, Any]:
    return {**TD, "mr_config_id": tdx_config(MANIFEST), "report_data": REPORT_DATA}


def _enclave() -> dict[str, Any]:
    return {**ENCLAVE, "config_id": sgx_config(MANIFEST), "report_data": REPORT_DATA}


def _long(form: str, data: bytes) -> bytes:
    return struct.pack(form, len(data)) + data


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines: Sequence[bytes] = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join((b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""))
