"""Releases end to end: a new version runs without a new policy, and an old, revoked or unsigned one does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from casemate.testing.stage import Result

from .conftest import BUSYBOX, Installation, Policy

WORKLOAD = {"release": "acme/api", "at_least": "1.4", "signed_by": {"any": ["alice"]}}
RUNTIME = {"release": "casemate", "at_least": "0.1", "signed_by": {"any": ["alice"]}}


def build(policy: Policy, word: str) -> None:
    """The newest manifest of the service: says `word`."""
    policy.build("api", BUSYBOX, "echo", word)


def admit(policy: Policy, **workload: Any) -> None:
    policy.document["services"]["api"] |= {"workload": WORKLOAD | workload, "runtime": RUNTIME}
    policy.submit()


def release(policy: Policy, version: str, *, signer: str = "alice") -> Path:
    out = policy.stage.folder / f"{policy.name.replace('/', '-')}-{version}-{signer}.json"
    policy.stage.ask("release", "create", "acme/api", version, f"{policy.name}#api", "--out", out, "--as", signer)
    return out


def run(policy: Policy, *statements: Path) -> Result:
    words = [word for path in statements for word in ("--statement", str(path))]
    return policy.stage.cli("run", f"{policy.name}#api", *words)


def test_a_new_version_needs_no_new_policy(installation: Installation) -> None:
    policy = installation.policy()
    build(policy, "one")
    admit(policy)
    runtime = policy.stage.folder / f"{policy.name.replace('/', '-')}-runtime.json"
    policy.stage.ask("release", "create", "casemate", "0.1", "--runtime", "--out", runtime, "--as", "alice")
    first = release(policy, "1.4")
    assert run(policy, runtime, first).output == "one\n"
    build(policy, "two")
    assert "does not name" in run(policy, runtime, first).errors
    second = release(policy, "1.5")
    assert run(policy, runtime, first, second).output == "two\n"
    # Without the runtime's statement, without any, and with somebody else's.
    for sent, step in (
        ([second], "runtime.measurement"),
        ([], "runtime.measurement"),
        ([runtime], "workload.manifest"),
    ):
        refused = run(policy, *sent)
        assert (refused.status, step in refused.errors) == (67, True), refused.errors
    mallory = release(policy, "1.6", signer="mallory")
    assert "signed by none of these" in run(policy, runtime, mallory).errors
    # The policy moves on: what was good enough is not any more.
    admit(policy, at_least="1.5.1")
    assert "which is older" in run(policy, runtime, second).errors
    admit(policy, revoked=["1.5"])
    assert "which is revoked" in run(policy, runtime, second).errors
