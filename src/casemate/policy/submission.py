"""Submissions (spec/policy.md, "Submission"): is this document, signed by these keys, the next version?

The statement says for which custodian, policy and predecessor it is and until when, so that an envelope is worth
nothing elsewhere or later. Whether a first version's name or genesis is taken is the custodian's to know, who
compares and stores in one transaction; `Accepted.signers` are the keys that its namespace then belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from casemate.errors import ConflictError, NotAuthorisedError, PolicyError, SignatureError
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.policy.genesis import parse_genesis
from casemate.policy.model import PolicyDocument, parse_document
from casemate.policy.rules import AnyOfRules, describe, named, satisfied
from casemate.wire import canonical
from casemate.wire.dsse import POLICY_TYPE, Envelope, open_envelope
from casemate.wire.fields import format_time
from casemate.wire.policies import PolicyCreation, PolicyGenesis, PolicyUpdate, Submission
from casemate.wire.rules import Principal
from casemate.wire.secrets import SecretSchemas

__all__ = ["Accepted", "accept", "check_anchor", "check_platforms", "expected_platforms", "open_first", "open_update"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version that may be stored. `signers` are the keys that counted for the rule, sorted; strangers are not."""

    genesis: PolicyGenesis
    document: PolicyDocument
    version: str
    signers: tuple[str, ...]
    envelope: Envelope


def open_first(creation: PolicyCreation, *, custodian: str, now: datetime, schemas: SecretSchemas) -> Accepted:
    """The first version of a policy, judged by its genesis record.

    `InputError`, `NotAuthorisedError`, `ConflictError`, `PolicyError`. `custodian` is this custodian's identity.
    """
    genesis = parse_genesis(creation.genesis)
    statement, keys = _open(creation.submission, genesis=genesis, custodian=custodian, now=now)
    signers = _authorised(genesis.access.update, genesis.principals, keys)
    if statement.predecessor is not None:
        raise ConflictError(
            "a first version has no predecessor",
            step="submission.predecessor",
            expected="no predecessor",
            got=statement.predecessor,
            remedy="submit it as an update of the policy that it follows",
        )
    return _accept(genesis, statement, signers, creation.submission, schemas)


def open_update(
    update: PolicyUpdate,
    *,
    genesis: PolicyGenesis,
    newest: PolicyDocument,
    custodian: str,
    now: datetime,
    schemas: SecretSchemas,
) -> Accepted:
    """The next version after `newest`, judged by the rule of `newest`.

    Errors as for `open_first`; `ConflictError.got` names the newest version, which only those learn who may update.
    """
    statement, keys = _open(update.submission, genesis=genesis, custodian=custodian, now=now)
    signers = _authorised(newest.access.update, newest.principals, keys)
    if statement.predecessor != newest.version:
        raise ConflictError(
            "another version is the newest",
            step="submission.predecessor",
            expected=statement.predecessor or "no version at all",
            got=newest.version,
            remedy="look at what changed (casemate policy show), set predecessor to the newest version, sign anew",
        )
    return _accept(genesis, statement, signers, update.submission, schemas)


def check_platforms(document: PolicyDocument, genesis: PolicyGenesis) -> None:
    """Every service's platforms fit the flag of the genesis record; `PolicyError` otherwise."""
    for service in document.services.values():
        for platform in service.platforms:
            if (platform in SIMULATED_PLATFORMS) != genesis.insecure_simulation:
                raise PolicyError(
                    f"services.{service.name}.platforms: {platform} does not fit this policy",
                    step="submission.platforms",
                    expected=expected_platforms(genesis),
                    got=platform,
                    remedy="list only what the genesis record admits; a policy for the other kind is another policy",
                )


def check_anchor(document: PolicyDocument, anchor: str) -> None:
    """Every strict volume accepts `anchor`, the kind that this custodian has; `PolicyError` otherwise."""
    for volume in document.volumes.values():
        if not volume.accepts(anchor):
            raise PolicyError(
                f"volumes.{volume.name}: freshness: strict, but whoever is root on the custodian's host can roll "
                "its anchor back",
                step="submission.anchor",
                expected=f"accept_anchor: [{anchor}]",
                got=", ".join(sorted(volume.accept_anchor)) or "none",
                remedy=accept(volume.name, anchor),
            )


def accept(volume: str, anchor: str) -> str:
    """What to write so that a strict volume takes such an anchor."""
    return f"write accept_anchor: [{anchor}] in volumes.{volume} if that is good enough"


def expected_platforms(genesis: PolicyGenesis) -> str:
    if genesis.insecure_simulation:
        return "simulated platforms only (insecure_simulation: true at its genesis)"
    return "real platforms only (insecure_simulation: false at its genesis)"


def _open(
    envelope: Envelope, *, genesis: PolicyGenesis, custodian: str, now: datetime
) -> tuple[Submission, frozenset[str]]:
    # 1. Every signature verifies, over exactly these canonical bytes and for this purpose.
    try:
        value, keys = open_envelope(envelope, POLICY_TYPE)
    except SignatureError as error:
        raise NotAuthorisedError(
            error.message, step="submission.signature", expected=error.expected, got=error.got, remedy="sign anew"
        ) from error
    statement = canonical.parse_model(Submission, value, what="submission")
    # 2. It was signed for this custodian, and the policy lives here.
    _same("submission.custodian", "signed for another custodian", custodian, statement.custodian)
    _same("submission.custodian", "the genesis record names another custodian", custodian, genesis.custodian)
    # 3. It was signed for this policy.
    _same("submission.genesis", "signed for another policy", genesis.identity(), statement.genesis)
    # 4. It has not expired.
    if now >= statement.expires:
        raise NotAuthorisedError(
            "the submission has expired",
            step="submission.expires",
            expected=f"after {format_time(now)}",
            got=format_time(statement.expires),
            remedy="sign it anew",
        )
    return statement, keys


def _same(step: str, message: str, expected: str, got: str) -> None:
    if expected != got:
        raise NotAuthorisedError(message, step=step, expected=expected, got=got, remedy="sign it for the right one")


def _authorised(rule: AnyOfRules, principals: Mapping[str, Principal], keys: frozenset[str]) -> tuple[str, ...]:
    """The keys that counted. Anybody can add a signature to an envelope: strangers neither help nor appear."""
    counted = {name: principals[name].key for name in named(rule) if principals[name].key in keys}
    if not satisfied(rule, principals, keys):
        raise NotAuthorisedError(
            "the signatures are not enough to change this policy",
            step="submission.rule",
            expected=describe(rule),
            got=", ".join(sorted(counted)) or "none of these",
            remedy="let those sign as well whom the rule asks for",
        )
    return tuple(sorted(counted.values()))


def _accept(
    genesis: PolicyGenesis,
    statement: Submission,
    signers: tuple[str, ...],
    envelope: Envelope,
    schemas: SecretSchemas,
) -> Accepted:
    document = parse_document(statement.document, schemas)
    # The document repeats what the statement says: it is also read without its envelope.
    _repeats("policy", genesis.policy, document.policy)
    _repeats("genesis", statement.genesis, document.genesis)
    _repeats("predecessor", statement.predecessor, document.predecessor)
    check_platforms(document, genesis)
    return Accepted(genesis, document, document.version, signers, envelope)


def _repeats(field: str, expected: str | None, got: str | None) -> None:
    if expected != got:
        raise PolicyError(
            f"{field}: the document does not belong to its submission",
            step=f"submission.document.{field}",
            expected=expected or "absent",
            got=got or "absent",
            remedy=f"write {field}: {expected}" if expected else f"leave {field} out of a first version",
        )
