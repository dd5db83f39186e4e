"""What is not admitted does not run, and whoever may know is told why."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from casemate.testing.stage import Result, wait_for

from .conftest import BUSYBOX, Installation, Policy, other_custodian

REFUSED, UNREACHABLE, NOT_GENUINE = 67, 68, 69
DENIED_ELSEWHERE = "sha384:" + "0" * 96


def decision_of(result: Result) -> str:
    """The id that the shield's refusal names."""
    found = re.search(r"casemate why ([0-9a-f]{40})", result.errors)
    assert found, result.errors
    return found[1]


def why(installation: Installation, decision: str, who: str = "alice") -> dict[str, Any]:
    return installation.stage.ask("why", decision, "--as", who)


def test_a_workload_that_nobody_signed_for_is_refused(installation: Installation) -> None:
    policy = installation.policy()
    policy.shell()
    told = policy.run("echo ran")
    assert (told.status, told.output) == (REFUSED, "")
    assert "policy.denied at policy.known" in told.errors


def test_another_program_than_the_admitted_one_is_refused_and_explained(installation: Installation) -> None:
    policy = installation.policy()
    admitted = policy.build("api", BUSYBOX, "echo", "admitted")
    policy.submit()
    assert policy.stage.cli("run", f"{policy.name}#api").output == "admitted\n"
    policy.stage.ask("manifest", "build", "--policy", f"{policy.name}#api", "--user", "1000:1000", "--",
                     BUSYBOX, "echo", "something else")  # fmt: skip
    told = policy.stage.cli("run", f"{policy.name}#api")
    assert (told.status, told.output) == (REFUSED, "")
    explained = why(installation, decision_of(told))
    assert (explained["outcome"], explained["step"]) == ("denied", "workload.manifest")
    assert explained["expected"] == admitted
    assert explained["remedy"]
    held = {step["step"]: step.get("held") for step in explained["steps"]}
    assert (held["runtime.measurement"], held["workload.manifest"]) == (True, False)


def test_an_explanation_reads_well_and_is_for_readers_alone(installation: Installation) -> None:
    policy = installation.policy()
    policy.shell(runtime={"measurement": DENIED_ELSEWHERE})
    policy.submit()
    decision = decision_of(policy.run("echo ran"))
    text = policy.stage.cli("why", decision, "--as", "alice").output
    assert re.search(r"step +runtime\.measurement\n", text)
    assert re.search(rf"expected +{DENIED_ELSEWHERE}\n", text)
    assert re.search(rf"got +{installation.runtime}\n", text)
    assert "FAILED  runtime.measurement" in text
    stranger = policy.stage.cli("why", "--json", decision, "--as", "mallory")
    assert stranger.status == 54
    assert json.loads(stranger.output)["error"]["code"] == "custodian.not_found"


def test_a_real_platform_cannot_be_claimed_by_a_policy_for_the_simulated_one(installation: Installation) -> None:
    policy = installation.policy()
    policy.shell(platforms=["sev-snp"])
    assert "sev-snp does not fit this policy" in policy.try_to_submit()["message"]


@pytest.mark.parametrize("mode", ["old-tcb", "revoked", "wrong-nonce", "relayed", "debug"])
def test_a_hostile_platform_gets_nothing(shell: Policy, mode: str) -> None:
    stage = shell.stage
    path = stage.folder / f"{mode}.sock"
    process = stage.start(mode, "platform", "simulate", "--hostile", mode, "--socket", path)
    try:
        wait_for(f"the {mode} platform", path.exists)
        told = shell.run("echo $PASSWORD", env={"CASEMATE_AGENT": str(path)})
    finally:
        stage.stop(process)
    # A relayed report says at once that it is of another manifest; what else is wrong only a verifier finds.
    expected = (65, "the launch bundle's manifest is sha256:") if mode == "relayed" else (REFUSED, "evidence.refused")
    assert (told.status, told.output) == (expected[0], "")
    assert expected[1] in told.errors


def test_a_shield_with_one_bit_changed_gets_nothing(shell: Policy) -> None:
    genuine = Path(shell.stage.ask("platform", "show")["shield"])
    data = bytearray(genuine.read_bytes())
    data[data.rindex(b"casemate-shield")] ^= 0x20
    changed = shell.stage.folder / "changed-shield"
    changed.write_bytes(data)
    changed.chmod(0o755)
    told = shell.run("echo $PASSWORD", env={"CASEMATE_SHIELD": str(changed)})
    assert (told.status, told.output) == (REFUSED, "")
    assert "policy.denied at runtime.measurement" in told.errors


def test_without_a_platform_nothing_falls_back(shell: Policy) -> None:
    told = shell.run("echo ran", env={"CASEMATE_AGENT": str(shell.stage.folder / "nobody.sock")})
    assert (told.status, told.output) == (70, "")
    assert "no platform answers" in told.errors


def test_without_a_custodian_nothing_starts(shell: Policy) -> None:
    told = shell.run("echo ran", "--address", "http://127.0.0.1:9")
    assert (told.status, told.output) == (UNREACHABLE, "")


def test_a_custodian_of_somebody_else_is_not_believed(shell: Policy, installation: Installation) -> None:
    """The same software, correctly attested, with another board: at the address, and by name."""
    stage = installation.stage
    with other_custodian(installation) as url:
        told = shell.run("echo $PASSWORD", "--address", url)
        assert (told.status, told.output) == (NOT_GENUINE, "")
        named = shell.run("echo $PASSWORD", "--custodian", "other")
        assert (named.status, "other is not the custodian" in named.errors) == (2, True)
        moved = stage.cli("custodian", "attest", "--json", "main", "--url", url)
        assert moved.status == 52
        ambiguous = stage.cli("custodian", "status")
        assert (ambiguous.status, "which custodian? there are 2" in ambiguous.errors) == (2, True)
        assert shell.run("echo ran").output == "ran\n", "its own custodian is found by its identity"
        assert stage.ask("custodian", "attest", "other")["platform"] == "simulated"


def test_a_stranger_cannot_update_read_or_squat(installation: Installation) -> None:
    policy = installation.policy()
    policy.shell()
    policy.submit()
    assert policy.try_to_submit(who=["mallory"])["problem"] == "policy.not_authorised"
    for command in ("show", "history"):
        told = policy.stage.cli("policy", command, "--json", policy.name, "--as", "mallory")
        assert (told.status, json.loads(told.output)["error"]["code"]) == (54, "custodian.not_found")
    squat = installation.policy("mallory")
    squat.shell()
    assert squat.try_to_submit(who=["mallory"])["code"] in {"custodian.refused", "policy.conflict"}


def test_two_approvals_are_two_keys(installation: Installation) -> None:
    policy = installation.policy("alice", "bob", approvals=2)
    policy.shell()
    for alone in (["alice"], ["bob"], ["alice", "alice"], ["alice", "mallory"]):
        assert policy.try_to_submit(who=alone)["problem"] == "policy.not_authorised"
    assert policy.submit(who=["alice", "bob"])["number"] == 1
    assert policy.run("echo ran").output == "ran\n"
