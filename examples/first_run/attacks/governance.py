"""Attacks on who decides: a stranger's update, a squatter on the name."""

from __future__ import annotations

import json

from examples.first_run.cast import USER, Cast, policy_text
from examples.first_run.screen import Outcome

_NOT_ADMITTED = 67


def stranger(cast: Cast) -> Outcome:
    path = cast.stage.folder / "stranger.yaml"
    changed = policy_text(cast).replace("at_least: 2, of: [alice, auditor]", "any: [alice]")
    path.write_text(changed)
    alone = cast.stage.cli("policy", "submit", path, "--on-top", "--as", "alice", "--json")
    path.write_text(changed.replace(cast.keys["alice"], cast.keys["mallory"]))
    hostile = cast.stage.cli("policy", "submit", path, "--on-top", "--as", "mallory", "--json")
    history = len(_versions(cast))
    return Outcome(
        tried="Mallory signs an update that puts her key in alice's place. Alice alone signs one that no longer asks "
        "for the auditor.",
        happened=f"mallory: {_error(hostile.output)}; alice alone: {_error(alone.output)}; the history still has "
        f"{history} version.",
        why="The rule of the version that is replaced decides, not the rule of the new one.",
        held=hostile.status != 0 and alone.status != 0 and history == 1,
    )


def squatter(cast: Cast) -> Outcome:
    stage = cast.stage
    mine = stage.ask("policy", "init", "globex/records", "--owner", "alice", "--insecure-simulation", "--output",
                     stage.folder / "globex.yaml")["genesis"]  # fmt: skip
    manifest = stage.ask("manifest", "build", "--policy=globex/records#client", "--user", USER, "--env", "A=b", "--",
                         "/usr/bin/redis-cli", "--version")["manifest"]  # fmt: skip
    taken = _squat(cast, manifest)
    run = stage.cli("run", manifest)
    path = stage.folder / "globex-mine.yaml"
    path.write_text(_document("globex/records", mine, cast.keys["alice"], manifest, cast.runtime))
    late = stage.cli("policy", "submit", path, "--as", "alice", "--json")
    return Outcome(
        tried="Mallory registers globex/records before its owner does, and lets it admit the owner's manifest.",
        happened=f"The shield of the owner's manifest: {run.said} The owner's own registration: {_error(late.output)}",
        why="A name is only a label: the manifest pins the hash of the policy's genesis record. The owner notices at "
        "once, and nothing that mallory says reaches the owner's workload.",
        held=taken and run.status == _NOT_ADMITTED and late.status != 0,
    )


def _squat(cast: Cast, manifest: str) -> bool:
    """In mallory's own home, so that nothing of alice's is at hand."""
    stage = cast.stage
    home = stage.folder / "mallory"
    (home / "custodians").mkdir(parents=True)
    for name in ("identities/mallory.pem", "custodians/main.json"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes((stage.home / name).read_bytes())
        (home / name).chmod(0o600)
    env = {"CASEMATE_HOME": str(home)}
    made = stage.cli("policy", "init", "globex/records", "--owner", "mallory", "--insecure-simulation", "--json",
                     "--output", home / "starter.yaml", env=env)  # fmt: skip
    genesis = json.loads(made.output)["genesis"]
    path = home / "globex.yaml"
    path.write_text(_document("globex/records", genesis, cast.keys["mallory"], manifest, cast.runtime))
    return stage.cli("policy", "submit", path, env=env).status == 0


def _document(name: str, genesis: str, key: str, manifest: str, runtime: str) -> str:
    return (
        f'casemate: 1\npolicy: {name}\ngenesis: {genesis}\nprincipals: {{owner: {{key: "{key}"}}}}\n'
        "access: {read: {any: [owner]}, update: {any: [owner]}}\n"
        f"services:\n  client:\n    workload: {{manifest: {manifest}}}\n    runtime: {{measurement: {runtime}}}\n"
        "    platforms: [simulated]\nsecrets: {}\n"
    )


def _versions(cast: Cast) -> list[object]:
    found: list[object] = cast.stage.ask("policy", "history", "acme/records", "--as", "auditor")["versions"]
    return found


def _error(output: str) -> str:
    try:
        error = json.loads(output)["error"]
    except (ValueError, KeyError):
        return output.strip()[:120] or "accepted"
    return str(error.get("problem") or error.get("code"))


__all__ = ["squatter", "stranger"]
