"""Every named quote, right and wrong, with what a verifier must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Final

from casemate.attestation.platforms.intel.tcb import STATUSES as WORDS
from casemate.errors import EvidenceError
from casemate.testing.intel.documents import ADVISORY, STATUSES, sent
from casemate.testing.intel.log import event_log, registers
from casemate.testing.intel.plan import Change, Plan, right
from casemate.testing.intel.signing import ListPlan
from casemate.testing.intel.wrong import (
    ROOT,
    Wrong,
    body,
    certificate,
    endorsement,
    identity,
    info,
    lists,
    machine,
    quote,
    quoting,
    rejected,
    then,
)
from casemate.testing.intel.wrong_chains import WRONG_CHAINS
from casemate.testing.intel.wrong_endorsements import FLOORS, WRONG_ENDORSEMENTS, at, more_lists
from casemate.testing.intel.wrong_quotes import (
    WRONG_ENCLAVES,
    WRONG_NESTED,
    WRONG_NEWER_TDS,
    WRONG_QUOTES,
    WRONG_TDS,
    WRONG_TYPED_ENCLAVES,
)

__all__ = ["RIGHT", "WRONG", "Case", "case"]

_SECOND: Final = timedelta(seconds=1)
_ISSUED: Final = datetime(2026, 5, 20, tzinfo=UTC)
_NEXT: Final = datetime(2026, 6, 19, tzinfo=UTC)
_LOGGED: Final = tuple(f"what RTMR{number} is about".encode() for number in range(4))


@dataclass(frozen=True)
class Case:
    """A plan, and what comes of it: `status` and `advisories` of what is right, or `error` at `step`."""

    name: str
    plan: Plan
    status: str | None = None
    advisories: tuple[str, ...] = ()
    error: type[EvidenceError] | None = None
    step: str | None = None


@dataclass(frozen=True)
class _Right:
    """`status` of all together, and the numbers of its advisories."""

    change: Change = lambda plan: plan
    status: str = "up-to-date"
    advisories: tuple[int, ...] = ()
    base: Callable[[], Plan] | None = None


def _machine_is(version: int, *changes: Change) -> Change:
    return then(machine(versions=(version,) * 16, pce_svn=version), *changes)


_STATUSES: Final = {
    f"machine-{WORDS[word]}": _Right(_machine_is(version), WORDS[word], () if word == "UpToDate" else (version,))
    for version, word in STATUSES.items()
    if word != "Revoked"
}
_WITH_AN_OLD_QUOTING_ENCLAVE: Final = {
    f"machine-{WORDS[STATUSES[version]]}-and-quoting-enclave-out-of-date": _Right(
        _machine_is(version, quoting(svn=6)), status, (*((version,) if version < 7 else ()), 806)
    )
    for version, status in {
        7: "out-of-date",
        6: "out-of-date",
        5: "out-of-date-configuration-needed",
        4: "out-of-date-configuration-needed",
        3: "out-of-date",
        2: "out-of-date-configuration-needed",
    }.items()
}


def _older_besides(name: str) -> Change:
    """The same document from before, with a lower number, comes too: the newest counts."""

    def change(plan: Plan) -> Plan:
        content = plan.info if name == "tcbInfo" else plan.identity
        older = sent(name, {**content, "tcbEvaluationDataNumber": 19, "tcbLevels": []}, "documents")
        return replace(plan, documents_sent=lambda documents: [older, *documents])

    return change


def _lowest_floors(plan: Plan) -> Plan:
    seconds = int(_ISSUED.timestamp())
    numbers = {"number": 1, "issued": seconds, "evaluation": 20}
    return replace(plan, floors={name: numbers[name.rpartition(":")[2]] for name in FLOORS[plan.tdx]})


def _below(what: str) -> Change:
    """A level that is less than the highest in the last component of `what`, before it: Intel sorts, so it is passed
    by. Without sorting a machine of the highest would be out of date.
    """

    def less(level: dict[str, Any]) -> dict[str, Any]:
        tcb = level["tcb"]
        lower = 6 if what == "pcesvn" else [*tcb[what][:-1], {"svn": 6}]
        return {**level, "tcbStatus": "OutOfDate", "tcb": {**tcb, what: lower}}

    return info(tcbLevels=lambda levels: [less(levels[0]), *levels])


def _crossed(plan: Plan) -> Plan:
    """Two levels of which neither is at least the other: of what reaches both, the first component decides."""
    components = plan.info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"]

    def level(first: int, last: int, status: str) -> dict[str, Any]:
        most = plan.info["tcbLevels"][0]
        versions = [{"svn": first}, *components[1:-1], {"svn": last}]
        return {**most, "tcbStatus": status, "tcb": {**most["tcb"], "sgxtcbcomponents": versions}}

    both = [level(6, 7, "OutOfDate"), level(7, 6, "UpToDate")]
    return replace(plan, info={**plan.info, "tcbLevels": [*both, *plan.info["tcbLevels"][1:]]})


_COMMON: Final = {
    **_STATUSES,
    **_WITH_AN_OLD_QUOTING_ENCLAVE,
    "pce-of-an-older-level": _Right(machine(pce_svn=6), "sw-hardening-needed", (6,)),
    "one-component-of-an-older-level": _Right(machine(versions=(7,) * 15 + (6,)), "sw-hardening-needed", (6,)),
    "newer-than-all-levels": _Right(machine(versions=(200,) * 16, pce_svn=32_767)),
    "certificate-without-a-configuration": _Right(machine(other={7: None})),
    "root-issued-anew": _Right(certificate(ROOT, serial=99, end=datetime(2050, 1, 1, tzinfo=UTC))),
    "certificates-end-with-a-zero": _Right(lambda plan: replace(plan, order=lambda text: text + b"\0")),
    "followed-by-zeros": _Right(quote(padding=bytes(70))),
    "older-tcb-info-besides": _Right(_older_besides("tcbInfo")),
    "older-identity-besides": _Right(_older_besides("enclaveIdentity")),
    "older-list-besides": _Right(
        more_lists(ListPlan("Intel SGX PCK Platform CA", "authority", start=_ISSUED - _SECOND, revoked=(3,)))
    ),
    "levels-in-another-order": _Right(info(tcbLevels=lambda levels: levels[::-1])),
    "level-of-a-lower-component-first": _Right(_below("sgxtcbcomponents")),
    "level-of-a-lower-pce-first": _Right(_below("pcesvn")),
    "levels-that-cross": _Right(_crossed),
    "list-revokes-others": _Right(lists(1, revoked=(2, 4, 5))),
    "fields-that-are-not-known-yet": _Right(info(somethingNew={"a": 1})),
    "floors-that-are-just-reached": _Right(_lowest_floors),
    "first-second": _Right(at(_ISSUED)),
    "last-second": _Right(at(_NEXT - _SECOND)),
}

_RIGHT_TDX: Final = {
    "version-4": _Right(),
    "version-5": _Right(base=lambda: right(tdx=True, version=5)),
    "version-5-tdx-1.5": _Right(base=lambda: right(tdx=True, version=5, newer=True)),
    **_COMMON,
    "level-of-a-lower-component-of-tdx-first": _Right(_below("tdxtcbcomponents")),
    "module-out-of-date": _Right(body(0, b"\x03"), "out-of-date", (503,)),
    "module-out-of-date-and-machine-configuration-needed": _Right(
        _machine_is(5, body(0, b"\x03")), "out-of-date-configuration-needed", (5, 503)
    ),
    "module-of-version-3": _Right(body(1, b"\x03")),
    "module-of-version-0": _Right(body(1, b"\0")),
    "platform-below-the-module-older": _Right(body(2, b"\x06"), "sw-hardening-needed", (6,)),
    "launched-under-an-older-module": _Right(
        body(0, b"\x03"), "out-of-date", (503,), lambda: right(tdx=True, version=5, newer=True)
    ),
    "running-under-an-older-module": _Right(
        body(584, b"\x03"), "out-of-date", (503,), lambda: right(tdx=True, version=5, newer=True)
    ),
    "running-under-a-module-of-version-3": _Right(
        body(584, b"\x05\x03"), base=lambda: right(tdx=True, version=5, newer=True)
    ),
    "event-log": _Right(
        lambda plan: replace(plan, log=event_log(_LOGGED)), base=lambda: right(tdx=True, body=registers(_LOGGED))
    ),
    "all-attributes-that-may-be": _Right(body(120, bytes.fromhex("000000d000000080"))),
}
_RIGHT_SGX: Final = {
    "version-3": _Right(),
    "processor-ca": _Right(base=lambda: right(tdx=False, kind="Processor")),
    **_COMMON,
    **{
        name: replace(of, base=partial(right, tdx=False, version=version))
        for version in (4, 5)
        for name, of in {
            f"version-{version}": _Right(),
            **{f"version-{version}-{name}": of for name, of in _COMMON.items()},
        }.items()
    },
}
"""All of it in the later versions too."""


def _without_tdx(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "tcb": {name: of for name, of in one["tcb"].items() if name in _TCB_OF_SGX}} for one in levels]


def _with_tdx(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "tcb": {**one["tcb"], "tdxtcbcomponents": [{"svn": 0}] * 16}} for one in levels]


_TCB_OF_SGX: Final = ("sgxtcbcomponents", "pcesvn")
_DOCUMENTS_OF_THE_OTHER: Final = {
    True: {
        "tcb-info-of-sgx": endorsement("documents", info(id="SGX", tcbLevels=_without_tdx)),
        "identity-of-the-sgx-quoting-enclave": endorsement("documents", identity(id="QE")),
        "level-without-components-of-tdx": endorsement("documents", info(tcbLevels=_without_tdx)),
        "module-levels-in-another-order": endorsement(
            "documents",
            info(tdxModuleIdentities=lambda modules: [{**one, "tcbLevels": one["tcbLevels"][::-1]} for one in modules]),
        ),
        "tcb-info-without-a-module": endorsement("documents", info(tdxModule=None)),
        "component-of-the-report-below-all": rejected("tcb", body(15, b"\0")),
        "module-of-version-0-below-all": rejected("tcb", body(0, b"\x04\0")),
    },
    False: {
        "tcb-info-of-tdx": endorsement("documents", info(id="TDX", tcbLevels=_with_tdx)),
        "level-with-components-of-tdx": endorsement("documents", info(tcbLevels=_with_tdx)),
        "identity-of-the-tdx-quoting-enclave": endorsement("documents", identity(id="TD_QE")),
    },
}

_RIGHT: Final[Mapping[bool, Mapping[str, _Right]]] = {True: _RIGHT_TDX, False: _RIGHT_SGX}
_OF_ALL: Final = {**WRONG_CHAINS, **WRONG_ENDORSEMENTS}
_ENCLAVES: Final = {**WRONG_QUOTES, **WRONG_ENCLAVES, **_OF_ALL, **_DOCUMENTS_OF_THE_OTHER[False]}
_LATER_ENCLAVES: Final = {
    version: {
        **_ENCLAVES,
        **WRONG_NESTED,
        **(WRONG_TYPED_ENCLAVES if version == 5 else {}),
    }
    for version in (4, 5)
}
_DOMAINS: Final = {**WRONG_QUOTES, **WRONG_NESTED, **WRONG_TDS, **_OF_ALL, **_DOCUMENTS_OF_THE_OTHER[True]}
_WRONG: Final[Mapping[bool, Mapping[str, tuple[Wrong, Callable[[], Plan]]]]] = {
    True: {
        **{name: (wrong, partial(right, tdx=True)) for name, wrong in _DOMAINS.items()},
        **{name: (wrong, partial(right, tdx=True, version=5, newer=True)) for name, wrong in WRONG_NEWER_TDS.items()},
    },
    False: {
        **{name: (wrong, partial(right, tdx=False)) for name, wrong in _ENCLAVES.items()},
        **{
            f"version-{version}-{name}": (wrong, partial(right, tdx=False, version=version))
            for version, ways in _LATER_ENCLAVES.items()
            for name, wrong in ways.items()
        },
    },
}
"""Each with what it makes wrong. SGX in all three versions."""

RIGHT: Final = {tdx: tuple(_RIGHT[tdx]) for tdx in (True, False)}
WRONG: Final = {tdx: tuple(_WRONG[tdx]) for tdx in (True, False)}
"""Names of cases, for `case`: of TDX, and of SGX."""


@cache
def case(name: str, *, tdx: bool) -> Case:
    if name in _RIGHT[tdx]:
        found = _RIGHT[tdx][name]
        base = found.base or (lambda: right(tdx=tdx))
        advisories = tuple(sorted(ADVISORY.format(number) for number in found.advisories))
        return Case(name, found.change(base()), found.status, advisories)
    wrong, base = _WRONG[tdx][name]
    return Case(name, wrong.change(base()), error=wrong.error, step=wrong.step)
