"""Admitting by release: what has to hold of a statement, one thing wrong at a time, and what a denial then says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from casemate.client.releases import write_statement
from casemate.errors import PolicyError
from casemate.policy import releases
from casemate.policy.decide import Decision, decide
from casemate.wire.dsse import POLICY_TYPE, sign_envelope
from casemate.wire.fields import format_time
from casemate.wire.statements import MAX_STATEMENTS, RELEASE_TYPE

from .conftest import MEASUREMENT, NOW, private_key

BOARD = {"at_least": 2, "of": ["alice", "bob", "carol"]}
RULE = "2 of alice, bob, carol"


def released(name: str = "acme/records", **change: Any) -> dict[str, Any]:
    return {"release": name, "at_least": "1.4", "signed_by": BOARD, **change}


def statement(world: Any, *signers: str, payload_type: str = RELEASE_TYPE, **change: Any) -> bytes:
    """For the world's manifest, 1.4, by alice and bob; `change` names fields of the predicate, or the subject."""
    subject = change.pop("subject", ("acme/records#api", world.parsed_manifest().digest))
    predicate = {
        "name": "acme/records",
        "version": "1.4",
        "kind": "workload",
        "issued": format_time(NOW - timedelta(days=1)),
        "expires": format_time(NOW + timedelta(days=1)),
    }
    value = write_statement([subject], **(predicate | change)).to_object()
    keys = [private_key(name) for name in signers or ("alice", "bob")]
    return json.dumps(sign_envelope(payload_type, value, keys).to_object()).encode()


def runtime_statement(world: Any, *signers: str, platform: str = "simulated", **change: Any) -> bytes:
    subject = (platform, MEASUREMENT)
    return statement(world, *signers, **{"name": "casemate", "kind": "runtime", "subject": subject, **change})


def judge(world: Any, *statements: bytes, now: Any = NOW, **changes: Any) -> Decision:
    return decide(
        world.claims(**changes), world.parsed_manifest(), custodian=world.custodian, anchor="insecure_file",
        genesis=world.genesis, document=world.parsed(), statements=statements, now=now,
    )  # fmt: skip


def assert_denied(decision: Decision, step: str, got: str) -> None:
    assert not decision.admitted
    assert decision.service is None
    assert decision.relied_on == ()
    assert decision.failed is not None
    assert (decision.failed.step, decision.failed.got) == (step, got)
    assert decision.remedy


@pytest.fixture
def by_release(world: Any) -> Any:
    world.service["workload"] = released()
    return world


def test_a_released_workload_is_admitted_and_the_record_says_by_whom(by_release: Any) -> None:
    decision = judge(by_release, statement(by_release))
    assert decision.admitted
    step = next(step for step in decision.steps if step.step == "workload.manifest")
    assert step.expected == f"release acme/records from 1.4 on, signed by {RULE}"
    assert step.got == "acme/records 1.4, signed by alice, bob"


def test_what_was_relied_on_is_enough_to_decide_again(by_release: Any) -> None:
    by_release.service["runtime"] = released("casemate")
    decision = judge(
        by_release, runtime_statement(by_release, "bob", "carol"), statement(by_release, "alice", "bob", "mallory")
    )
    assert len(decision.relied_on) == 2
    again = judge(by_release, *decision.relied_on)
    assert again.admitted
    assert again.relied_on == decision.relied_on
    assert b"mallory" not in decision.relied_on[1]
    assert len(json.loads(decision.relied_on[1])["signatures"]) == 2, "a stranger's signature is not kept"


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"kind": "workload", "name": "acme/other"}, "a statement on the workload acme/other"),
        ({"version": "1.3.9"}, "acme/records 1.3.9, which is older"),
        ({"expires": format_time(NOW)}, "acme/records 1.4, whose statement expired at 2026-11-23T08:15:00Z"),
    ],
)
def test_a_statement_that_says_something_else_is_none(by_release: Any, change: dict[str, Any], got: str) -> None:
    assert_denied(judge(by_release, statement(by_release, **change)), "workload.manifest", got)


def test_without_a_statement_nothing_is_admitted(by_release: Any) -> None:
    assert_denied(judge(by_release), "workload.manifest", "no release statement")


def test_the_statement_of_another_manifest_is_none(by_release: Any) -> None:
    sent = statement(by_release)
    by_release.manifest["environment"]["MODE"] = "slow"
    digest = by_release.parsed_manifest().digest
    got = f"acme/records 1.4, which does not name acme/records#api {digest}"
    assert_denied(judge(by_release, sent), "workload.manifest", got)


def test_the_statement_of_another_service_is_none(by_release: Any) -> None:
    digest = by_release.parsed_manifest().digest
    subject = ("acme/records#batch", digest)
    got = f"acme/records 1.4, which does not name acme/records#api {digest}"
    assert_denied(judge(by_release, statement(by_release, subject=subject)), "workload.manifest", got)


@pytest.mark.parametrize("signers", [("alice",), ("alice", "mallory"), ("mallory", "eve")])
def test_too_few_signatures_are_none(by_release: Any, signers: tuple[str, ...]) -> None:
    known = ", ".join(name for name in signers if name == "alice") or "none of these"
    got = f"acme/records 1.4, signed by {known}"
    assert_denied(judge(by_release, statement(by_release, *signers)), "workload.manifest", got)


def test_a_signature_for_another_purpose_does_not_release(by_release: Any) -> None:
    decision = judge(by_release, statement(by_release, payload_type=POLICY_TYPE))
    assert_denied(decision, "workload.manifest", "a statement that is none: signed for another purpose")


def test_signatures_of_two_statements_do_not_add_up(by_release: Any) -> None:
    decision = judge(by_release, statement(by_release, "alice"), statement(by_release, "bob"))
    assert_denied(decision, "workload.manifest", "acme/records 1.4, signed by alice")


@pytest.mark.parametrize("entry", ["1.4", "1.4.0", "digest"])
def test_what_is_revoked_is_none(by_release: Any, entry: str) -> None:
    digest = by_release.parsed_manifest().digest
    by_release.service["workload"] = released(revoked=["1.5", digest if entry == "digest" else entry])
    decision = judge(by_release, statement(by_release))
    assert_denied(decision, "workload.manifest", "acme/records 1.4, which is revoked")
    assert decision.failed is not None
    assert "but not 1.5, " in (decision.failed.expected or "")


def test_a_later_version_is_admitted_and_another_revoked_one_does_not_matter(by_release: Any) -> None:
    by_release.service["workload"] = released(revoked=["1.4", "sha256:" + "0" * 64])
    assert judge(by_release, statement(by_release, version="1.10")).admitted


def test_one_good_statement_among_others_is_enough(by_release: Any) -> None:
    sent = [b"{}", statement(by_release, version="1.0"), statement(by_release), statement(by_release, "alice")]
    assert judge(by_release, *sent).admitted


def test_no_more_statements_are_looked_at_than_a_request_may_have(by_release: Any) -> None:
    decision = judge(by_release, *[b"{}"] * MAX_STATEMENTS, statement(by_release))
    assert decision.failed is not None
    assert (decision.failed.got or "").startswith("a statement that is none: ")


def test_no_more_signatures_are_verified_than_the_budget_has(by_release: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Spent on what does not verify as well: a host can make as much of that as it likes.
    padded = json.loads(statement(by_release, "alice", "bob", "mallory"))
    padded["signatures"][0]["sig"] = "A" * 86 + "=="
    spent = json.dumps(padded).encode()
    monkeypatch.setattr(releases, "MAX_VERIFIED", 5)
    assert judge(by_release, spent, statement(by_release)).admitted
    monkeypatch.setattr(releases, "MAX_VERIFIED", 4)
    decision = judge(by_release, spent, statement(by_release))
    assert decision.failed is not None
    assert (decision.failed.got or "").startswith("a statement that is none")
    assert_denied(
        judge(by_release, statement(by_release, *"abcde")), "workload.manifest", "more signatures than are verified"
    )


def test_the_reason_is_that_of_the_statement_which_came_furthest(by_release: Any) -> None:
    sent = [statement(by_release, name="acme/other"), statement(by_release, "alice"), b"{}"]
    assert_denied(judge(by_release, *sent), "workload.manifest", "acme/records 1.4, signed by alice")


def test_a_runtime_is_admitted_by_release_on_the_platform_that_measured_it(world: Any) -> None:
    world.service["runtime"] = released("casemate")
    assert judge(world, runtime_statement(world)).admitted
    decision = judge(world, runtime_statement(world, platform="sev-snp"))
    got = f"casemate 1.4, which does not name simulated {MEASUREMENT}"
    assert_denied(decision, "runtime.measurement", got)
    other = judge(world, runtime_statement(world), runtime_measurement="sha384:" + "1" * 96)
    assert other.failed is not None
    assert other.failed.step == "runtime.measurement"


def test_the_statement_of_a_runtime_releases_no_workload(by_release: Any) -> None:
    by_release.service["workload"] = released("casemate")
    decision = judge(by_release, runtime_statement(by_release))
    assert_denied(decision, "workload.manifest", "a statement on the runtime casemate")


def test_statements_change_nothing_for_what_is_pinned(world: Any) -> None:
    assert judge(world, statement(world)).relied_on == ()
    sent = statement(world)
    world.manifest["environment"]["MODE"] = "slow"
    pinned = world.service["workload"]["manifest"]
    decision = judge(world, sent)
    assert decision.failed is not None
    assert (decision.failed.step, decision.failed.expected) == ("workload.manifest", pinned)


WEAK: Any = {"any": ["alice", "bob"]}


@pytest.mark.parametrize("field", ["workload", "runtime"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signed_by": WEAK}, "signed_by: some who satisfy this rule may not update the policy"),
        ({"signed_by": {"at_least": 2, "of": ["alice", "bob", "dave"]}}, "there is no principal 'dave'"),
        ({"signed_by": {"any": []}}, "expected a list of principals or rules"),
        ({"at_least": "1.4-beta"}, "not a version"),
        ({"at_least": 1}, "a version is text"),
        ({"revoked": ["latest"]}, "neither a version nor a digest"),
        ({"release": "Acme"}, "not of the right form"),
        ({"manifest": "sha256:" + "0" * 64}, "both a manifest and a release"),
        ({"measurement": "sha384:" + "0" * 96}, "both a measurement and a release"),
        ({"more": "x"}, "unknown field 'more'"),
    ],
)
def test_a_release_that_means_nothing_or_too_much_is_refused(
    world: Any, field: str, change: dict[str, Any], message: str
) -> None:
    world.service[field] = released(**change)
    if "both" in message and next(iter(change)) != {"workload": "manifest", "runtime": "measurement"}[field]:
        message = f"unknown field '{next(iter(change))}'"
    with pytest.raises(PolicyError) as error:
        world.parsed()
    assert f"services.api.{field}" in error.value.message
    assert message in error.value.message


def test_a_rule_that_asks_for_more_than_update_may_sign(world: Any) -> None:
    world.service["workload"] = released(signed_by={"all": ["alice", {"any": ["bob", "carol"]}]})
    world.parsed()
