"""Documents, signers and lists that are wrong in one way, missing, out of date, or older than what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509

from casemate.testing.intel.plan import AT, Change, Plan
from casemate.testing.intel.signing import ListPlan
from casemate.testing.intel.wrong import (
    AUTHORITY,
    LEAF,
    ROOT,
    Wrong,
    certificate,
    endorsement,
    identity,
    info,
    lists,
    machine,
    quoting,
    rejected,
    signer,
    then,
)

__all__ = ["FLOORS", "WRONG_ENDORSEMENTS", "at", "floors", "more_lists"]

_SECOND: Final = timedelta(seconds=1)
_ISSUED: Final = datetime(2026, 5, 20, tzinfo=UTC)
_NEXT: Final = datetime(2026, 6, 19, tzinfo=UTC)


def _sent(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    """Documents: TCB info, identity."""
    return lambda plan: replace(plan, documents_sent=change)


def _first(change: Callable[[bytes], bytes]) -> Change:
    return _sent(lambda documents: [change(documents[0]), *documents[1:]])


def more_lists(*plans: ListPlan) -> Change:
    return lambda plan: replace(plan, lists=(*plan.lists, *plans))


def at(moment: datetime) -> Change:
    return lambda plan: replace(plan, at=moment)


def floors(**numbers: int) -> Change:
    """By the last words of a name, with `_` for `:` and `-`."""

    def change(plan: Plan) -> Plan:
        found = {name: number for name in FLOORS[plan.tdx] for end, number in numbers.items() if _ends(name, end)}
        return replace(plan, floors=found)

    return change


def _ends(name: str, end: str) -> bool:
    return name.replace(":", "_").replace("-", "_").endswith(end)


def _names(platform: str) -> tuple[str, ...]:
    kinds = ("crl:intel-root", "crl:intel-platform")
    documents = (f"tcb-info:{platform}:b0c06f000000", f"qe-identity:{platform}")
    return (
        *(f"{kind}:{what}" for kind in kinds for what in ("number", "issued")),
        *(f"{document}:evaluation" for document in documents),
    )


FLOORS: Final = {True: _names("tdx"), False: _names("sgx")}
"""The names of what must never be lower again."""

_DEBUG: Final = bytes.fromhex("1700000000000000e700000000000000")
_SECONDS: Final = int(_ISSUED.timestamp())


def _documents(change: Change) -> Wrong:
    return endorsement("documents", change)


def _revoked(place: int, serial: int) -> Wrong:
    return endorsement("revoked", lists(place, revoked=(7, serial)))


def _crl(change: Change) -> Wrong:
    return endorsement("crl", change)


def _past(change: Change) -> Wrong:
    return endorsement("validity", change)


def _levels(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> dict[str, Any]:
    return {"tcbLevels": change}


def _around(name: str, change: Callable[..., Change]) -> dict[str, Wrong]:
    """It ended a second before the time of the check, or begins a second after it."""
    return {
        f"{name}-ended": _past(change(end=AT - _SECOND)),
        f"{name}-not-yet": _past(change(start=AT + _SECOND)),
    }


_DOCUMENTS: Final = {
    "no-signer": endorsement("document_signer", lambda plan: replace(plan, offered=lambda ders: ders[1:])),
    "no-certificates-beside": endorsement("document_signer", lambda plan: replace(plan, offered=lambda _: [])),
    "signer-that-another-certified": endorsement("document_signer", signer(signer="other")),
    "signer-that-is-an-authority": endorsement("document_signer", signer(path_length=0)),
    "signer-that-signs-certificates": endorsement("document_signer", signer(uses=("key_cert_sign",))),
    "signer-of-another-name": endorsement("document_signer", signer(subject="Intel SGX PCK Certificate")),
    "no-documents": _documents(_sent(lambda _: [])),
    "no-tcb-info": _documents(_sent(lambda documents: documents[1:])),
    "no-identity": _documents(_sent(lambda documents: documents[:1])),
    "document-that-is-none": _documents(_first(lambda _: b"{}")),
    "document-without-a-signature": _documents(_first(lambda document: document[: document.rindex(b",")] + b"}")),
    "tcb-info-by-another-key": endorsement(
        "document_signature", lambda plan: replace(plan, document_keys=("other", "documents"))
    ),
    "identity-by-another-key": endorsement(
        "document_signature", lambda plan: replace(plan, document_keys=("documents", "other"))
    ),
    "tcb-info-changed-afterwards": endorsement(
        "document_signature", _first(lambda document: document.replace(b"OutOfDate", b"UpToDates", 1))
    ),
    "tcb-info-of-version-2": _documents(info(version=2)),
    "tcb-info-of-another-type": _documents(info(tcbType=1)),
    "tcb-info-without-a-number": _documents(info(tcbEvaluationDataNumber=None)),
    "tcb-info-with-a-negative-number": _documents(info(tcbEvaluationDataNumber=-1)),
    "tcb-info-with-a-number-of-33-bits": _documents(info(tcbEvaluationDataNumber=1 << 32)),
    "tcb-info-with-text-for-a-number": _documents(info(tcbEvaluationDataNumber="20")),
    "tcb-info-with-another-time": _documents(info(issueDate="2026-05-20")),
    "tcb-info-with-a-short-fmspc": _documents(info(fmspc="B0C06F")),
    "tcb-info-with-too-few-components": _documents(
        info(tcbLevels=lambda levels: [{**levels[0], "tcb": {"sgxtcbcomponents": [], "pcesvn": 7}}])
    ),
    "identity-of-version-1": _documents(identity(version=1)),
    "identity-with-a-short-mask": _documents(identity(attributesMask="FF")),
    "tcb-info-of-another-fmspc": endorsement("platform", info(fmspc="00606A000000")),
    "tcb-info-of-another-pce": endorsement("platform", info(pceId="0001")),
    "machine-of-another-fmspc": endorsement("platform", machine(fmspc=bytes.fromhex("00606a000000"))),
    "machine-of-another-pce": endorsement("platform", machine(pce_id=b"\0\x01")),
    "identity-of-a-verifier": _documents(identity(id="QVE")),
}

_LISTS: Final = {
    "no-lists": _crl(lambda plan: replace(plan, lists=())),
    "no-list-of-the-root": _crl(lambda plan: replace(plan, lists=plan.lists[1:])),
    "no-list-of-the-authority": _crl(lambda plan: replace(plan, lists=plan.lists[:1])),
    "list-by-another-key": _crl(lists(ROOT, signer="other")),
    "list-of-the-authority-by-another-key": _crl(lists(1, signer="other")),
    "list-of-somebody-else": _crl(more_lists(ListPlan("Intel SGX TCB Signing", "documents"))),
    "list-without-a-number": _crl(lists(ROOT, number=None)),
    "list-of-changes": _crl(lists(1, extensions=((x509.DeltaCRLIndicator(0), True),))),
    "list-that-is-none": _crl(lambda plan: replace(plan, lists_sent=lambda made: [*made, b"list"])),
    "authority-revoked": _revoked(0, 2),
    "signer-revoked": _revoked(0, 4),
    "root-revoked": _revoked(0, 1),
    "machine-revoked": _revoked(1, 3),
    "machine-revoked-by-the-youngest-list": endorsement(
        "revoked",
        more_lists(ListPlan("Intel SGX PCK Platform CA", "authority", start=_ISSUED + _SECOND, revoked=(3,))),
    ),
    "machine-revoked-by-the-list-with-the-highest-number": endorsement(
        "revoked",
        more_lists(ListPlan("Intel SGX PCK Platform CA", "authority", number=2, start=_ISSUED - _SECOND, revoked=(3,))),
    ),
}

_TIMES: Final = {
    "before-everything": _past(at(_ISSUED - _SECOND)),
    "after-everything": _past(at(_NEXT + _SECOND)),
    "lists-end-as-the-next-are-there": _past(at(_NEXT)),
    "decades-later": _past(at(datetime(2053, 7, 1, 1, tzinfo=UTC))),
    **_around("root", lambda **when: certificate(ROOT, **when)),
    **_around("authority", lambda **when: certificate(AUTHORITY, **when)),
    **_around("machine", lambda **when: certificate(LEAF, **when)),
    **_around("signer", signer),
    **_around("list-of-the-root", lambda **when: lists(0, **when)),
    **_around("list-of-the-authority", lambda **when: lists(1, **when)),
    "tcb-info-ended": _past(info(nextUpdate="2026-06-01T11:59:59Z")),
    "tcb-info-not-yet": _past(info(issueDate="2026-06-01T12:00:01Z")),
    "identity-ended": _past(identity(nextUpdate="2026-06-01T11:59:59Z")),
    "identity-not-yet": _past(identity(issueDate="2026-06-01T12:00:01Z")),
}

_FLOORS: Final = {
    "list-of-the-root-older-by-number": endorsement("crl_floor", floors(intel_root_number=2)),
    "list-of-the-root-older": endorsement("crl_floor", floors(intel_root_issued=_SECONDS + 1)),
    "list-of-the-authority-older-by-number": endorsement("crl_floor", floors(intel_platform_number=2)),
    "list-of-the-authority-older": endorsement("crl_floor", floors(intel_platform_issued=_SECONDS + 1)),
    "tcb-info-older-by-number": endorsement("tcb_floor", floors(b0c06f000000_evaluation=21)),
    "identity-older-by-number": endorsement("tcb_floor", floors(sgx_evaluation=21, tdx_evaluation=21)),
}

_TCB: Final = {
    "machine-below-all-levels": rejected("tcb", machine(versions=(0,) * 16)),
    "machine-with-one-component-below-all": rejected("tcb", machine(versions=(7,) * 15 + (0,))),
    "machine-with-a-pce-below-all": rejected("tcb", machine(pce_svn=0)),
    "machine-revoked-by-its-tcb": rejected("tcb_revoked", machine(versions=(1,) * 16)),
    "no-levels": rejected("tcb", info(tcbLevels=[])),
    "quoting-enclave-of-somebody-else": rejected("qe_identity", quoting(mr_signer=b"X" * 32)),
    "quoting-enclave-of-another-product": rejected("qe_identity", quoting(product=3)),
    "quoting-enclave-with-miscselect": rejected("qe_identity", quoting(misc_select=b"\x01\0\0\0")),
    "quoting-enclave-in-debug-mode": rejected("qe_identity", quoting(attributes=_DEBUG)),
    "quoting-enclave-that-may-not-provision": rejected(
        "qe_identity", quoting(attributes=bytes.fromhex("0500000000000000e700000000000000"))
    ),
    # Intel's identities ask for an enclave without it; none that says otherwise makes such a one good.
    "quoting-enclave-in-debug-mode-that-its-identity-leaves-free": rejected(
        "qe_identity",
        then(quoting(attributes=_DEBUG), identity(attributesMask="F9FFFFFFFFFFFFFF0000000000000000")),
    ),
    "quoting-enclave-in-debug-mode-as-its-identity-says": rejected(
        "qe_identity",
        then(quoting(attributes=_DEBUG), identity(attributes="13000000000000000000000000000000")),
    ),
    "quoting-enclave-below-all-levels": rejected("qe_identity", quoting(svn=3)),
    "quoting-enclave-revoked": rejected("tcb_revoked", quoting(svn=4)),
}

_LEVELS: Final = {
    "machine-of-an-unknown-status": _documents(
        info(**_levels(lambda levels: [{**levels[0], "tcbStatus": "Fine"}, *levels[1:]]))
    ),
    "level-of-an-unknown-status": _documents(
        info(**_levels(lambda levels: [*levels[:-1], {**levels[-1], "tcbStatus": "Fine"}]))
    ),
    "identity-level-of-an-unknown-status": _documents(
        identity(**_levels(lambda levels: [*levels[:-1], {**levels[-1], "tcbStatus": "Fine"}]))
    ),
    "identity-level-of-a-machines-status": _documents(
        identity(**_levels(lambda levels: [{**levels[0], "tcbStatus": "SWHardeningNeeded"}, *levels[1:]]))
    ),
    "level-without-components": _documents(info(**_levels(lambda levels: _each_without(levels, "sgxtcbcomponents")))),
    "level-without-a-pce": _documents(info(**_levels(lambda levels: _each_without(levels, "pcesvn")))),
    "two-levels-that-are-one": _documents(
        info(**_levels(lambda levels: [*levels, {**levels[0], "tcbStatus": "OutOfDate"}]))
    ),
    "identity-level-without-a-version": _documents(identity(**_levels(lambda levels: _each_without(levels, "isvsvn")))),
    "identity-levels-in-another-order": _documents(identity(**_levels(lambda levels: levels[::-1]))),
    "identity-levels-of-one-version": _documents(
        identity(**_levels(lambda levels: [{**levels[0], "tcbStatus": "OutOfDate"}, *levels]))
    ),
}


def _each_without(levels: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{**one, "tcb": _without(one["tcb"], name)} for one in levels]


def _without(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


WRONG_ENDORSEMENTS: Final[Mapping[str, Wrong]] = {**_DOCUMENTS, **_LISTS, **_TIMES, **_FLOORS, **_TCB, **_LEVELS}
