"""The custodian through its life: several workers, two writers at once, old databases, other code, the board."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from casemate.testing.stage import Result, free_port
from casemate.wire import canonical

from .conftest import Installation, Policy

ROLLED_BACK, OTHER_KEY, LOCKED = 62, 64, 63


def test_of_two_updates_at_once_exactly_one_wins(installation: Installation) -> None:
    policy = installation.policy("alice", "bob")
    policy.shell()
    first = policy.submit()["version"]
    answers = _at_once(policy, first)
    won = [answer for answer in answers if answer.status == 0]
    lost = [json.loads(answer.output)["error"] for answer in answers if answer.status]
    assert len(won) == 1, [answer.output for answer in answers]
    newest = json.loads(won[0].output)["version"]
    assert {error["code"] for error in lost} == {"policy.conflict"}
    assert {error["got"] for error in lost} == {newest}, "each loser is told what was faster"
    history = policy.stage.ask("policy", "history", policy.name, "--as", "alice")["versions"]
    assert [entry["version"] for entry in history] == [newest, first]


def _at_once(policy: Policy, predecessor: str) -> list[Result]:
    """Four updates on top of the same version, all different."""
    answers: list[Result] = []

    def submit(number: int) -> None:
        services = policy.document["services"]
        document = {
            **policy.document,
            "predecessor": predecessor,
            "services": {**services, f"s{number}": services["sh"]},
        }
        path = policy.path.with_suffix(f".{number}.yaml")
        path.write_text(json.dumps(document))
        who = ("alice", "bob")[number % 2]
        answers.append(policy.stage.cli("policy", "submit", "--json", path, "--as", who))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_several_workers_know_the_same(installation: Installation, shell: Policy) -> None:
    """One connection each: which of the two workers answers is the kernel's choice."""
    pids = {line.split()[0] for line in _workers(installation)}
    assert len(pids) == 2
    policy = installation.policy()
    policy.shell()
    version = policy.submit()["version"]
    seen = []
    for _ in range(12):
        with installation.client() as client:
            seen.append(client.policy(policy.genesis).version)
    assert seen == [version] * 12
    assert {shell.run("echo $PASSWORD").output for _ in range(4)} == {shell.run("echo $PASSWORD").output}


def _workers(installation: Installation) -> list[str]:
    """Worker processes of this installation's custodian: below the shield that serves its port."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_worker_of(entry, installation.port):
            found.append(entry.name)
    return found


def _is_worker_of(entry: Path, port: int) -> bool:
    try:
        command = (entry / "cmdline").read_bytes().split(b"\0")
        parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
        keeper = Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return False
    return b"worker" in command and f"--port={port}".encode() in keeper


def test_a_second_custodian_on_the_same_store_is_refused(installation: Installation) -> None:
    told = installation.stage.cli("custodian", "serve", "main", "--port", str(free_port()))
    assert told.status == LOCKED, told.errors
    assert installation.stage.ask("custodian", "status", "--custodian", "main")["identity"]


def test_yesterdays_database_is_refused_until_the_board_accepts_it(installation: Installation, tmp_path: Path) -> None:
    policy = installation.policy()
    policy.shell()
    yesterday = tmp_path / "yesterday"
    installation.stop()
    shutil.copytree(installation.data, yesterday)
    installation.serve()
    policy.submit()
    assert policy.run("echo ran").output == "ran\n"
    installation.stop()
    shutil.rmtree(installation.data)
    shutil.copytree(yesterday, installation.data)
    refused = installation.stage.cli("custodian", "serve", "main")
    assert refused.status == ROLLED_BACK
    report = tmp_path / "report.txt"
    report.write_text(refused.errors)
    assert _restore(installation, report, "mallory").status != 0, "she is not on the board"
    assert _restore(installation, _about_another_state(tmp_path), "alice").status != 0
    accepted = _restore(installation, report, "alice")
    assert accepted.status == 0, accepted.output + accepted.errors
    assert json.loads(accepted.output)["reason"] == "backup of 02:00"
    installation.serve()
    told = installation.stage.cli("policy", "show", "--json", policy.name, "--as", "alice")
    assert json.loads(told.output)["error"]["code"] == "custodian.not_found", "what came later is gone, on record"
    policy.submit()
    assert policy.run("echo ran").output == "ran\n"


def _about_another_state(folder: Path) -> Path:
    path = folder / "other.txt"
    path.write_text(json.dumps({"found": {"sequence": 1, "state": "sha256:" + "0" * 64}}))
    return path


def _restore(installation: Installation, report: Path, who: str) -> Result:
    return installation.stage.cli(
        "custodian", "restore", "--json", "main", "--as", who, "--found", report, "--reason", "backup of 02:00"
    )


@pytest.mark.parametrize("text", ["", "no report", "{}", '{"found":{"sequence":-1}}', '{"found"', '{"found":[]}'])
def test_what_is_no_report_restores_nothing(installation: Installation, tmp_path: Path, text: str) -> None:
    report = tmp_path / "report"
    report.write_text(text)
    refused = _restore(installation, report, "alice")
    assert refused.status == 2
    assert "not what a refusing custodian prints" in json.loads(refused.output)["error"]["message"]


@pytest.mark.parametrize("honest", [False, True], ids=["under the same manifest", "under an honest manifest"])
def test_other_code_does_not_get_the_key(installation: Installation, tmp_path: Path, honest: bool) -> None:
    """An upgrade that nobody handed the key to: one module of the custodian with one line more."""
    host, manifests = installation.stage.home / "custodian-hosts" / "main.json", installation.stage.home / "manifests"
    record = json.loads(host.read_text())
    path = manifests / f"{record['manifest'].removeprefix('sha256:')}.json"
    value, sources = json.loads(path.read_bytes()), json.loads(path.with_suffix(".sources").read_text())
    entry = next(item for item in value["root"] if item["path"].endswith("casemate/policy/decide.py"))
    changed = tmp_path / "decide.py"
    changed.write_text(Path(sources[entry["path"]]).read_text() + "\nEVERYBODY = True\n")
    sources[entry["path"]] = str(changed)
    if honest:
        entry |= {"digest": _digest(changed.read_bytes()), "size": changed.stat().st_size}
    told = _served_with(installation, record, value, sources)
    assert told.status == (OTHER_KEY if honest else 65), told.errors
    assert ("not the one that sealed the store" if honest else "decide.py is not the measured file") in told.errors


def _served_with(
    installation: Installation, record: dict[str, Any], value: dict[str, Any], sources: dict[str, str]
) -> Result:
    """`custodian serve` of a copy of everything, under this manifest."""
    stage = installation.stage
    data = canonical.encode(value)
    digest = _digest(data)
    folders = {name: stage.folder / f"copy-{name}" for name in ("data", "anchor")}
    for name, folder in folders.items():
        shutil.copytree(getattr(installation, name), folder)
    manifest = stage.home / "manifests" / f"{digest.removeprefix('sha256:')}.json"
    kept = manifest.with_suffix(".sources")
    before = kept.read_bytes() if kept.exists() else None
    manifest.write_bytes(data)
    kept.write_text(json.dumps(sources))
    copy = {"name": "copy", "manifest": digest, **{name: str(folder) for name, folder in folders.items()}}
    (stage.home / "custodian-hosts" / "copy.json").write_text(json.dumps({**record, **copy}))
    try:
        return stage.cli("custodian", "serve", "copy", "--port", str(free_port()))
    finally:
        if before is not None:
            kept.write_bytes(before)
        for folder in folders.values():
            shutil.rmtree(folder)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
