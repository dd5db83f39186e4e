"""Submissions: who may change a policy, and that a signature is worth nothing for another place, time or use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from casemate.errors import (
    CasemateError,
    ConflictError,
    MalformedError,
    NotAuthorisedError,
    NotCanonicalError,
    PolicyError,
)
from casemate.policy.submission import Accepted, open_first, open_update
from casemate.wire import canonical
from casemate.wire.dsse import INSTANCE_TYPE, Envelope
from casemate.wire.policies import PolicyCreation, PolicyUpdate

OTHER = "sha256:" + "9" * 64


def first(world: Any, *signers: str, statement: dict[str, Any] | None = None, **options: Any) -> Accepted:
    envelope = options.get("envelope") or world.sign(statement or world.statement(), *(signers or ("alice", "bob")))
    creation = PolicyCreation(genesis=options.get("genesis", world.genesis_bytes()), submission=envelope)
    now = options.get("now", world.now)
    return open_first(creation, custodian=options.get("custodian", world.custodian), now=now, schemas=world.schemas)


def update(world: Any, *signers: str, statement: dict[str, Any] | None = None) -> Accepted:
    statement = statement or world.statement(world.successor())
    return open_update(
        PolicyUpdate(submission=world.sign(statement, *(signers or ("alice", "bob")))),
        genesis=world.genesis,
        newest=world.parsed(),
        custodian=world.custodian,
        now=world.now,
        schemas=world.schemas,
    )


def keys(world: Any, *names: str) -> tuple[str, ...]:
    return tuple(sorted(world.document["principals"][name]["key"] for name in names))


def refused(kind: type[CasemateError], step: str) -> Any:
    return pytest.raises(kind, check=lambda error: error.step == step)


def test_a_first_version_with_enough_signatures_is_accepted(world: Any) -> None:
    accepted = first(world)
    assert accepted.genesis == world.genesis
    assert accepted.document == world.parsed()
    assert accepted.version == canonical.digest(world.document)
    assert accepted.signers == keys(world, "alice", "bob")


def test_an_update_with_enough_signatures_is_accepted(world: Any) -> None:
    accepted = update(world, "bob", "carol")
    assert accepted.document.predecessor == world.parsed().version
    assert accepted.document.services["api"].lease_seconds == 60
    assert accepted.signers == keys(world, "bob", "carol")


@pytest.mark.parametrize("submit", [first, update])
def test_too_few_signatures_are_refused_with_the_rule(world: Any, submit: Any) -> None:
    with refused(NotAuthorisedError, "submission.rule") as caught:
        submit(world, "alice")
    assert caught.value.expected == "2 of alice, bob, carol"
    assert caught.value.got == "alice"


@pytest.mark.parametrize("submit", [first, update])
def test_signatures_of_strangers_do_not_count(world: Any, submit: Any) -> None:
    with refused(NotAuthorisedError, "submission.rule") as caught:
        submit(world, "mallory", "eve")
    assert caught.value.got == "none of these"


@pytest.mark.parametrize("submit", [first, update])
def test_a_stranger_who_signs_too_does_not_become_a_signer(world: Any, submit: Any) -> None:
    assert submit(world, "alice", "bob", "mallory").signers == keys(world, "alice", "bob")


def test_a_principal_outside_the_rule_does_not_become_a_signer(world: Any) -> None:
    world.document["access"]["update"] = {"any": ["alice"]}
    assert update(world, "alice", "carol").signers == keys(world, "alice")


def test_an_update_is_judged_by_its_predecessor_and_not_by_itself(world: Any) -> None:
    document = world.successor()
    document["principals"] = {"mallory": {"key": world.sign({}, "mallory").signatures[0].keyid}}
    document["access"] = {"read": {"any": ["mallory"]}, "update": {"any": ["mallory"]}}
    statement = world.statement(document)
    with refused(NotAuthorisedError, "submission.rule"):
        update(world, "mallory", statement=statement)
    assert update(world, statement=statement).signers == keys(world, "alice", "bob")


def test_an_update_is_judged_by_the_newest_version_and_not_by_the_genesis(world: Any) -> None:
    world.document["access"]["update"] = {"all": ["carol"]}
    with refused(NotAuthorisedError, "submission.rule") as caught:
        update(world, "alice", "bob")
    assert caught.value.expected == "all of carol"
    assert update(world, "carol").signers == keys(world, "carol")


def test_a_changed_payload_is_refused(world: Any) -> None:
    envelope = world.sign(world.statement(), "alice", "bob")
    other = world.sign(world.statement(expires="2027-01-01T00:00:00Z"), "alice")
    tampered = Envelope(payloadType=envelope.payloadType, payload=other.payload, signatures=envelope.signatures)
    with refused(NotAuthorisedError, "submission.signature"):
        first(world, envelope=tampered)


def test_a_signature_for_another_purpose_is_refused(world: Any) -> None:
    envelope = world.sign(world.statement(), "alice", "bob", payload_type=INSTANCE_TYPE)
    with refused(NotAuthorisedError, "submission.signature"):
        first(world, envelope=envelope)


def test_a_submission_for_another_custodian_is_refused(world: Any) -> None:
    with refused(NotAuthorisedError, "submission.custodian") as caught:
        first(world, statement=world.statement(custodian=OTHER))
    assert (caught.value.expected, caught.value.got) == (world.custodian, OTHER)


def test_a_genesis_for_another_custodian_is_refused(world: Any) -> None:
    with refused(NotAuthorisedError, "submission.custodian") as caught:
        first(world, custodian=OTHER, statement=world.statement(custodian=OTHER))
    assert caught.value.got == world.custodian


@pytest.mark.parametrize("submit", [first, update])
def test_a_submission_for_another_policy_is_refused(world: Any, submit: Any) -> None:
    document = world.document if submit is first else world.successor()
    with refused(NotAuthorisedError, "submission.genesis") as caught:
        submit(world, statement=world.statement(document, genesis=OTHER))
    assert (caught.value.expected, caught.value.got) == (world.genesis.identity(), OTHER)


def test_an_expired_submission_is_refused(world: Any) -> None:
    statement = world.statement(expires="2026-11-23T08:15:00Z")
    assert first(world, statement=statement, now=world.now - timedelta(seconds=1))
    with refused(NotAuthorisedError, "submission.expires") as caught:
        first(world, statement=statement)
    assert caught.value.got == "2026-11-23T08:15:00Z"


def test_a_first_version_with_a_predecessor_is_a_conflict(world: Any) -> None:
    with refused(ConflictError, "submission.predecessor"):
        first(world, statement=world.statement(predecessor=OTHER))


def test_an_update_of_an_older_version_is_a_conflict_that_names_the_newest(world: Any) -> None:
    with refused(ConflictError, "submission.predecessor") as caught:
        update(world, statement=world.statement(world.successor(), predecessor=OTHER))
    assert (caught.value.expected, caught.value.got) == (OTHER, world.parsed().version)


def test_a_first_version_is_no_update(world: Any) -> None:
    with refused(ConflictError, "submission.predecessor") as caught:
        update(world, statement=world.statement())
    assert caught.value.got == world.parsed().version


def test_the_newest_version_is_told_only_to_those_who_may_update(world: Any) -> None:
    with refused(NotAuthorisedError, "submission.rule"):
        update(world, "mallory", statement=world.statement(world.successor(), predecessor=OTHER))


@pytest.mark.parametrize(("field", "value"), [("policy", "acme/other"), ("genesis", OTHER)])
def test_a_document_that_belongs_elsewhere_is_refused(world: Any, field: str, value: str) -> None:
    wanted = world.document[field]
    statement = world.statement()
    statement["document"] = world.document | {field: value}
    with refused(PolicyError, f"submission.document.{field}") as caught:
        first(world, statement=statement)
    assert (caught.value.expected, caught.value.got) == (wanted, value)


def test_a_document_with_another_predecessor_than_its_submission_is_refused(world: Any) -> None:
    statement = world.statement(world.successor())
    statement["document"] = statement["document"] | {"predecessor": OTHER}
    with refused(PolicyError, "submission.document.predecessor") as caught:
        update(world, statement=statement)
    assert (caught.value.expected, caught.value.got) == (world.parsed().version, OTHER)


@pytest.mark.parametrize(("simulated", "platform"), [(True, "sev-snp"), (False, "simulated")])
def test_platforms_must_fit_the_simulation_flag(world: Any, simulated: bool, platform: str) -> None:
    world.genesis = world.genesis.model_copy(update={"insecure_simulation": simulated})
    world.document["genesis"] = world.genesis.identity()
    world.service["platforms"] = [platform]
    with refused(PolicyError, "submission.platforms") as caught:
        first(world)
    assert caught.value.got == platform
    world.service["platforms"] = ["simulated" if simulated else "sev-snp"]
    assert first(world)


def test_a_document_that_is_wrong_is_refused_although_it_is_signed(world: Any) -> None:
    world.service["lease"] = "1s"
    with refused(PolicyError, "policy.document") as caught:
        first(world)
    assert "services.api.lease" in caught.value.message


def test_a_genesis_with_one_key_under_two_names_is_refused(world: Any) -> None:
    record = canonical.decode(world.genesis_bytes())
    record["principals"]["bob"] = record["principals"]["alice"]
    with refused(PolicyError, "policy.document") as caught:
        first(world, genesis=canonical.encode(record))
    assert "the same key as alice" in caught.value.message


def test_a_genesis_with_a_rule_that_names_nobody_is_refused(world: Any) -> None:
    record = canonical.decode(world.genesis_bytes())
    record["access"]["update"] = {"any": ["allice"]}
    with pytest.raises(PolicyError, match="there is no principal 'allice'") as caught:
        first(world, genesis=canonical.encode(record))
    assert caught.value.remedy == "did you mean 'alice'?"


@pytest.mark.parametrize("member", [5, None, [], {}, {"any_": ["alice"]}])
def test_a_rule_with_strange_members_is_refused(world: Any, member: Any) -> None:
    record = canonical.decode(world.genesis_bytes())
    record["access"]["update"] = {"any": ["alice", member]}
    with pytest.raises(PolicyError, match=r"access\.update\.any\[1\]"):
        first(world, genesis=canonical.encode(record))


def test_a_genesis_that_is_not_canonical_is_refused(world: Any) -> None:
    with refused(NotCanonicalError, "json.canonical"):
        first(world, genesis=world.genesis_bytes() + b" ")


def test_a_statement_with_an_unknown_field_is_refused(world: Any) -> None:
    with pytest.raises(MalformedError, match="extra"):
        first(world, statement=world.statement(extra=1))
