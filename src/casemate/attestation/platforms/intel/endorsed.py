"""What Intel says of the machine behind a quote: documents, who signed them, and revocation lists.

What was verified once is remembered by what was signed (a fleet shares it, and it changes once in weeks), each part by
itself and once; times and floors are checked again at each use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Final

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel.chain import PckChain, pem_parts
from casemate.attestation.platforms.intel.documents import Content, EnclaveIdentity, Signed, TcbInfo, opened
from casemate.attestation.platforms.intel.machine import Machine
from casemate.attestation.platforms.intel.signing import is_signed_by, p256_key, signature_holds
from casemate.attestation.platforms.intel.wanted import ROOT_LIST, of_kind, of_machine, of_pck_authority
from casemate.attestation.revocation import RevocationList, newest_lists
from casemate.errors import EndorsementError
from casemate.wire.evidence import Endorsements

__all__ = ["Endorsed", "endorsed"]

_REMEMBERED: Final = 1024
"""Machines; beyond it the oldest one's is verified anew."""

_SIGNER: Final = "Intel SGX TCB Signing"
_FEW: Final = 64
_SECOND: Final = timedelta(seconds=1)
_NAMES: Final = {True: ("tdx", "TDX", "TD_QE"), False: ("sgx", "SGX", "QE")}
"""Our name of the platform, and the ids of its two documents."""


@dataclass(frozen=True, eq=False)
class Endorsed:
    """`lists` are the newest of the root and of the machine's authority; `signers` those of the two documents, the TCB
    info's first. Nothing of it is revoked. The same bytes have one instance, while they are remembered.
    """

    platform: str
    chain: PckChain
    signers: tuple[Certificate, Certificate]
    lists: tuple[RevocationList, RevocationList]
    tcb_info: Signed[TcbInfo]
    identity: Signed[EnclaveIdentity]

    def check_times(self, at: datetime) -> None:
        """Everything covers `at`; `EndorsementError` otherwise."""
        for start, end, what in self._spans:
            if not start <= at <= end:
                raise EndorsementError(
                    f"the {what} does not cover the time of the check",
                    step="evidence.validity",
                    expected=f"{start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC",
                    got=f"{at:%Y-%m-%d %H:%M:%S} UTC",
                    remedy="bring Intel's current documents and lists, or mend the clock",
                )

    def check_floors(self, floors: Mapping[str, int]) -> None:
        """Nothing is older than what was seen before; `EndorsementError` otherwise."""
        for name, number in {**self.seen, **self.chosen}.items():
            if number < floors.get(name, 0):
                raise EndorsementError(
                    f"older than what was seen before: {name}",
                    step="evidence.crl_floor" if name.startswith("crl:") else "evidence.tcb_floor",
                    expected=f"≥ {floors[name]}",
                    got=str(number),
                    remedy="bring Intel's current documents and lists",
                )

    @cached_property
    def seen(self) -> Mapping[str, int]:
        """Of lists. Intel's all have the number 1, so their times count too."""
        found: dict[str, int] = {}
        for name, item in zip(("intel-root", f"intel-{self.chain.kind}"), self.lists, strict=True):
            found |= {f"crl:{name}:number": item.number, f"crl:{name}:issued": _seconds(item.start)}
        return MappingProxyType(found)

    @cached_property
    def chosen(self) -> Mapping[str, int]:
        """Of documents. When one was issued says nothing: those of any moment are in force beside each other."""
        machine, info, identity = self.chain.machine.fmspc.hex(), self.tcb_info.content, self.identity.content
        return MappingProxyType(
            {
                f"tcb-info:{self.platform}:{machine}:evaluation": info.tcb_evaluation_data_number,
                f"qe-identity:{self.platform}:evaluation": identity.tcb_evaluation_data_number,
            }
        )

    @cached_property
    def ends(self) -> dict[str, datetime]:
        """By the names of `wanted.py`."""
        root, authority = (item.end for item in self.lists)
        return {
            ROOT_LIST: root,
            of_pck_authority(self.chain.kind)[1].name: authority,
            of_machine(self.platform, self.chain.machine.fmspc.hex()).name: self.tcb_info.content.next_update,
            of_kind(self.platform)[0].name: self.identity.content.next_update,
            "intel/certificates": min(one.end for one in (*self.chain.certificates, *self.signers)),
        }

    @property
    def evaluation(self) -> int:
        """The TCB evaluation data number: the lower one of the two documents."""
        documents = (self.tcb_info.content, self.identity.content)
        return min(document.tcb_evaluation_data_number for document in documents)

    def values(self) -> dict[str, str]:
        """What a policy may ask for of every machine of Intel's."""
        machine = self.chain.machine
        smt = {} if machine.smt is None else {"smt": "on" if machine.smt else "off"}
        return {"fmspc": machine.fmspc.hex(), "ppid": machine.ppid.hex(), "memory": machine.memory, **smt}

    def details(self) -> dict[str, object]:
        info = self.tcb_info.content
        return {
            "certified_by": f"PCK {self.chain.kind} CA",
            "tcb_info_issued": info.issue_date.isoformat(),
            "ends": min(end for _, end, _ in self._spans).isoformat(),
            "root": self.chain.certificates[0].fingerprint,
        }

    @cached_property
    def _spans(self) -> tuple[tuple[datetime, datetime, str], ...]:
        certificates = (*self.chain.certificates, *self.signers)
        lists = zip(self.lists, ("the root", "the machine's authority"), strict=True)
        documents = ((self.tcb_info.content, "TCB info"), (self.identity.content, "identity of the QE"))
        return (
            *((one.start, one.end, f"certificate of {one.common_name}") for one in certificates),
            # The next one is there by the moment that a list names (RFC 5280 §5.1.2.5): it covers the second before.
            *((one.start, one.end - _SECOND, f"revocation list of {whose}") for one, whose in lists),
            *((one.issue_date, one.next_update, what) for one, what in documents),
        )


def endorsed(chain: PckChain, endorsements: Endorsements, root: bytes, *, tdx: bool) -> Endorsed:
    """Everything that does not depend on the time. `chain`: of the quote. Errors: EndorsementError."""
    platform, info_id, identity_id = _NAMES[tdx]
    signers = _signers(endorsements.certificates, root)
    infos, identities = _documents(endorsements.documents, signers)
    info = _info(infos, info_id, chain.machine)
    identity = _newest([one for one in identities if one.content.id == identity_id], f"enclave identity {identity_id}")
    top, authority, _ = chain.certificates
    lists = _lists(tuple(sorted(set(endorsements.crls))), top.der, authority.der)
    return _endorsed(platform, chain, (signers[info.by].der, signers[identity.by].der), lists, info, identity)


@lru_cache(maxsize=_REMEMBERED)
def _endorsed(
    platform: str,
    chain: PckChain,
    used: tuple[bytes, bytes],
    lists: tuple[RevocationList, RevocationList],
    info: Signed[TcbInfo],
    identity: Signed[EnclaveIdentity],
) -> Endorsed:
    """By what was chosen, not by what else came along, or how it was spelled: that, anybody may choose."""
    top, authority, leaf = chain.certificates
    of_info, of_identity = (_certificate(der) for der in used)
    _check_revoked(lists[0], (top, authority, of_info, of_identity))
    _check_revoked(lists[1], (leaf,))
    return Endorsed(platform, chain, (of_info, of_identity), lists, info, identity)


def _signers(pem: bytes, root: bytes) -> tuple[Certificate, ...]:
    """Those that may sign documents, of certificates in any order, among which may be the root and authorities."""
    offered = ((der, _is_signer(der, root)) for der in sorted(set(pem_parts(pem))))
    found = tuple(_certificate(der) for der, signs in offered if signs)
    if not found:
        raise _bad(
            "no certificate of who signs Intel's documents",
            "evidence.document_signer",
            _SIGNER,
            remedy="bring the certificates that Intel's service sends in the headers of its answers",
        )
    return found


@lru_cache(maxsize=_FEW)
def _is_signer(der: bytes, root: bytes) -> bool:
    one, trusted = _certificate(der), Certificate.parse(root, "trusted root")
    if one.common_name != _SIGNER:
        return False
    if one.authority or one.signs_certificates or p256_key(one) is None or not is_signed_by(one, trusted):
        raise _bad("the root did not certify who signs documents", "evidence.document_signer")
    return True


@lru_cache(maxsize=_FEW)
def _certificate(der: bytes) -> Certificate:
    return Certificate.parse(der, "certificate of the endorsements")


def _documents(
    documents: Sequence[bytes], signers: Sequence[Certificate]
) -> tuple[list[Signed[TcbInfo]], list[Signed[EnclaveIdentity]]]:
    keys = [key for one in signers if (key := p256_key(one)) is not None]
    infos, identities = [], []
    for document in documents:
        made = opened(document, keys)
        if isinstance(made.content, TcbInfo):
            infos.append(made)
        else:
            identities.append(made)
    return infos, identities


def _info(infos: Sequence[Signed[TcbInfo]], wanted: str, machine: Machine) -> Signed[TcbInfo]:
    """Of this kind of machine."""
    of_kind = [one for one in infos if one.content.id == wanted]
    fitting = [one for one in of_kind if (one.content.fmspc, one.content.pce_id) == (machine.fmspc, machine.pce_id)]
    if of_kind and not fitting:
        raise _bad(
            "the TCB info is of another kind of machine",
            "evidence.platform",
            f"FMSPC {machine.fmspc.hex()}, PCE {machine.pce_id.hex()}",
            ", ".join(f"FMSPC {one.content.fmspc.hex()}, PCE {one.content.pce_id.hex()}" for one in of_kind),
        )
    return _newest(fitting, f"TCB info of {wanted}")


def _newest(documents: Sequence[Signed[Content]], what: str) -> Signed[Content]:
    if not documents:
        raise _bad(f"no {what}", "evidence.documents", remedy="bring Intel's current documents with the evidence")
    return max(documents, key=lambda one: (one.content.tcb_evaluation_data_number, one.content.issue_date))


@lru_cache(maxsize=_FEW)
def _lists(crls: tuple[bytes, ...], top: bytes, authority: bytes) -> tuple[RevocationList, RevocationList]:
    """The newest of the root, and of the machine's authority."""
    issuers = (_certificate(top), _certificate(authority))
    newest = newest_lists(crls, issuers, signature_holds)
    for issuer in issuers:
        if issuer.fingerprint not in newest:
            raise _bad(
                f"no revocation list of {issuer.common_name}",
                "evidence.crl",
                remedy="bring Intel's current lists along with the evidence: absence never means acceptance",
            )
    of_root, of_authority = (newest[issuer.fingerprint] for issuer in issuers)
    return of_root, of_authority


def _check_revoked(revoking: RevocationList, certificates: Sequence[Certificate]) -> None:
    for certificate in certificates:
        if revoking.revokes(certificate):
            raise _bad("a certificate is revoked", "evidence.revoked", got=certificate.common_name)


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _bad(
    message: str, step: str, expected: str | None = None, got: str | None = None, remedy: str | None = None
) -> EndorsementError:
    return EndorsementError(message, step=step, expected=expected, got=got, remedy=remedy)
