"""Whether somebody whom the policy trusts vouched for what runs (spec/releases.md, "Judging").

What the caller must have done: verified the evidence, so that the digest in question is what the platform measured or
bound. The statements may come from anybody; a statement that is wrong in any way counts as one that is not there, and
the one that came furthest is the reason of a denial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casemate.errors import InputError, SignatureError
from casemate.policy._finding import Finding
from casemate.policy.rules import AnyOfRules, describe, named, satisfied
from casemate.wire.fields import format_time
from casemate.wire.rules import Principal
from casemate.wire.statements import (
    MAX_STATEMENTS,
    ReleaseKind,
    ReleaseStatement,
    SignedStatement,
    open_release,
    read_envelope,
    version_order,
)

__all__ = ["MAX_VERIFIED", "Released", "Sent", "Wanted", "judge_release", "open_all"]

MAX_VERIFIED: Final = 128
"""Signatures on all statements of a request, some ten milliseconds: any host can pad what it sends. Two statements that
everybody signed whom a rule can name have as many.
"""


@dataclass(frozen=True, slots=True)
class Released:
    """What a service admits by release: `name`, any version from `at_least` on, vouched for by those of `signed_by`.

    `revoked` are versions and digests (`sha256:…`, `sha384:…`) that are not admitted all the same.
    """

    name: str
    at_least: str
    signed_by: AnyOfRules
    revoked: tuple[str, ...]

    def sentence(self) -> str:
        """For people."""
        revoked = f", but not {', '.join(self.revoked)}" if self.revoked else ""
        return f"release {self.name} from {self.at_least} on, signed by {describe(self.signed_by)}{revoked}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What runs. `name`: of a workload `policy#service`, of a runtime its platform. `digest`: of the manifest, or the
    measurement.
    """

    kind: ReleaseKind
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement that was sent with a request: opened, or the reason why it cannot be."""

    opened: SignedStatement | None
    fault: str = ""


def open_all(statements: Sequence[bytes]) -> tuple[Sent, ...]:
    """Each of `statements`, and no more of them, and of signatures, than `MAX_VERIFIED` and a request may have."""
    left = MAX_VERIFIED
    opened = []
    for data in statements[:MAX_STATEMENTS]:
        try:
            envelope = read_envelope(data)
            left -= len(envelope.signatures)
            opened.append(
                Sent(open_release(envelope)) if left >= 0 else Sent(None, "more signatures than are verified")
            )
        except (InputError, SignatureError) as error:
            opened.append(Sent(None, f"a statement that is none: {error.message}"))
    return tuple(opened)


def judge_release(
    released: Released, wanted: Wanted, sent: Sequence[Sent], principals: Mapping[str, Principal], now: datetime
) -> Finding:
    """Held if one of `sent` vouches for what is wanted, as `released` asks."""
    expected = released.sentence()
    furthest, reason = -1, _Reason("no release statement", "send one: casemate run --statement FILE")
    for one in sent:
        reasons = _reasons(released, wanted, one, principals, now)
        step = next((index for index, found in enumerate(reasons) if found is not None), None)
        if step is None and one.opened is not None:
            kept = one.opened.trimmed(frozenset(principal.key for principal in principals.values()))
            return Finding(True, expected, _described(one.opened, released, principals), "", kept)
        if step is not None and step > furthest:
            furthest, reason = step, reasons[step] or reason
    return Finding(False, expected, reason.got, reason.remedy)


@dataclass(frozen=True, slots=True)
class _Reason:
    got: str
    remedy: str


def _reasons(
    released: Released, wanted: Wanted, sent: Sent, principals: Mapping[str, Principal], now: datetime
) -> list[_Reason | None]:
    """Of each step, in order, what stands against the statement."""
    # 1. It is a release statement, and every signature on it verifies.
    if sent.opened is None:
        return [_Reason(sent.fault, "send the file that `casemate release` wrote, unchanged")]
    statement = sent.opened.statement
    return [
        None,
        # 2. It is of the release that the policy names, and of the right kind.
        _named(released, wanted, statement),
        # 3. It is about what runs here.
        _subject(wanted, statement),
        # 4. No older version than the policy takes.
        _version(released, statement),
        # 5. Nothing that was revoked.
        _revoked(released, wanted, statement),
        # 6. It still counts.
        _lasting(statement, now),
        # 7. Those vouch for it whom the policy asks for.
        _signed(released, sent.opened, principals),
    ]


def _named(released: Released, wanted: Wanted, statement: ReleaseStatement) -> _Reason | None:
    predicate = statement.predicate
    if (predicate.kind, predicate.name) == (wanted.kind, released.name):
        return None
    return _Reason(
        f"a statement on the {predicate.kind} {predicate.name}", f"send that on the {wanted.kind} {released.name}"
    )


def _subject(wanted: Wanted, statement: ReleaseStatement) -> _Reason | None:
    if any((subject.name, subject.digest.text) == (wanted.name, wanted.digest) for subject in statement.subject):
        return None
    got = f"{_release(statement)}, which does not name {wanted.name} {wanted.digest}"
    return _Reason(got, "run what was released, or have this released: casemate release create")


def _version(released: Released, statement: ReleaseStatement) -> _Reason | None:
    if version_order(statement.predicate.version) >= version_order(released.at_least):
        return None
    return _Reason(f"{_release(statement)}, which is older", f"run {released.at_least} or a newer version")


def _revoked(released: Released, wanted: Wanted, statement: ReleaseStatement) -> _Reason | None:
    order = version_order(statement.predicate.version)
    for entry in released.revoked:
        if entry == wanted.digest or (":" not in entry and version_order(entry) == order):
            return _Reason(f"{_release(statement)}, which is revoked", "run a version that is not revoked")
    return None


def _lasting(statement: ReleaseStatement, now: datetime) -> _Reason | None:
    expires = statement.predicate.expires
    if now < expires:
        return None
    got = f"{_release(statement)}, whose statement expired at {format_time(expires)}"
    return _Reason(got, "have it released anew, with a later end")


def _signed(released: Released, opened: SignedStatement, principals: Mapping[str, Principal]) -> _Reason | None:
    if satisfied(released.signed_by, principals, opened.signers):
        return None
    signers = ", ".join(_signers(released, opened, principals)) or "none of these"
    got = f"{_release(opened.statement)}, signed by {signers}"
    return _Reason(got, "let those sign as well whom the rule asks for: casemate release sign")


def _described(opened: SignedStatement, released: Released, principals: Mapping[str, Principal]) -> str:
    return f"{_release(opened.statement)}, signed by {', '.join(_signers(released, opened, principals))}"


def _signers(released: Released, opened: SignedStatement, principals: Mapping[str, Principal]) -> list[str]:
    """Those whom the rule names; anybody can add a signature, and strangers do not appear."""
    names = named(released.signed_by) & set(principals)
    return sorted(name for name in names if principals[name].key in opened.signers)


def _release(statement: ReleaseStatement) -> str:
    return f"{statement.predicate.name} {statement.predicate.version}"
