"""Attacks on the custodian itself: changed code, an old database."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from pathlib import Path

from casemate.manifest import library
from casemate.testing.stage import Result, free_port
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from examples.first_run.cast import Cast, policy_text
from examples.first_run.screen import Outcome

_MEASURED_FILE_DIFFERS = 65
_STORE_KEY = 64
_ROLLED_BACK = 62
EARLY = "custodian-early"
"""An older copy of the database, in the stage's folder."""
_MODULE = "casemate/policy/decide.py"


def changed_module(cast: Cast) -> Outcome:
    """Under the genuine manifest, then under a manifest that is honest about the change."""
    stage = cast.stage
    cast.stage.stop(_process(cast))
    host = json.loads((stage.home / "custodian-hosts" / "main.json").read_text())
    built = library.load(stage.home / "manifests", host["manifest"])
    inside, changed = _changed_copy(cast, built.parsed.data, built.sources)
    sources = {**built.sources, inside: str(changed)}
    refused = _serve(cast, host, built.parsed.data, sources)
    honest = _honest_manifest(built.parsed.data, inside, changed.read_bytes())
    closed = _serve(cast, host, honest, sources)
    cast.serve()
    return Outcome(
        tried=f"Add one line to {_MODULE}: first under the genuine manifest, then under a new manifest "
        "that is honest about it.",
        happened=f"Genuine manifest: {refused.said}  Honest manifest: it starts, and says: {closed.said}",
        why="The custodian is measured down to its modules, and its master key is sealed by the platform to shield and "
        "manifest: other code gets another key.",
        held=refused.status == _MEASURED_FILE_DIFFERS and closed.status == _STORE_KEY,
    )


def rolled_back(cast: Cast) -> Outcome:
    stage, yesterday, today = cast.stage, cast.stage.folder / "yesterday", cast.stage.folder / "today"
    with cast.pausing_custodian():
        shutil.copytree(cast.data, yesterday)
    path = stage.folder / "second.yaml"
    path.write_text(policy_text(cast).replace("bytes: 24", "bytes: 24, rotate: 1"))
    stage.ask("policy", "submit", path, "--on-top", "--as", "alice", "--as", "auditor")
    stage.stop(_process(cast))
    cast.data.rename(today)
    shutil.copytree(yesterday, cast.data)
    result = stage.cli("custodian", "serve", "main", "--port", str(free_port()))
    shutil.rmtree(cast.data)
    today.rename(cast.data)
    cast.serve()
    number = stage.ask("policy", "show", "acme/records", "--as", "alice")["number"]
    return Outcome(
        tried="Stop the custodian, put back yesterday's database, whole and correctly encrypted, and start it.",
        happened=f"{result.said}  With today's database it starts again, at version {number}.",
        why="A state root over everything is anchored outside the data folder. This anchor is a file, which root could "
        "roll back together with the data: it is called insecure_file, and LIMITATIONS.md says so.",
        held=result.status == _ROLLED_BACK and number == 2,
    )


def restored_together(cast: Cast) -> Outcome:
    """Both as they were in `volumes.away`. The custodian stays away until the archive's writer has ended (`gone`)."""
    stage, archive, today = cast.stage, cast.archive, cast.stage.folder / "today"
    stage.stop(_process(cast))
    client = threading.Thread(target=archive.add, args=(archive.writers[-1],))
    client.start()
    cast.data.rename(today)
    shutil.copytree(stage.folder / EARLY, cast.data)
    started = stage.cli("custodian", "serve", "main", "--port", str(cast.port))
    told = archive.audit(archive.early)
    shutil.rmtree(cast.data)
    today.rename(cast.data)
    archive.writers[-1].process.wait(timeout=30)
    client.join()
    cast.serve()
    return Outcome(
        tried="Restore a volume and the custodian's database together, from one moment at which both were genuine, "
        "whole, and agreed with each other.",
        happened=f"The custodian: {started.said}  The volume's reader: {told.said}",
        why="The volume's newest state is in the custodian's database, and that database's in an anchor outside. A "
        "custodian that does not start answers for no volume, and without it there is no key.",
        held=started.status == _ROLLED_BACK and told.status != 0 and not told.output,
    )


def _process(cast: Cast) -> subprocess.Popen[bytes]:
    assert cast.custodian is not None
    return cast.custodian


def _changed_copy(cast: Cast, data: bytes, sources: dict[str, str]) -> tuple[str, Path]:
    inside = next(entry["path"] for entry in json.loads(data)["root"] if entry["path"].endswith(_MODULE))
    copy = cast.stage.folder / "decide.py"
    copy.write_text(Path(sources[inside]).read_text() + "\nEVERYBODY_IS_ADMITTED = True\n")
    return inside, copy


def _honest_manifest(data: bytes, inside: str, changed: bytes) -> bytes:
    value = json.loads(data)
    for entry in value["root"]:
        if entry["path"] == inside:
            entry["digest"], entry["size"] = f"sha256:{hashlib.sha256(changed).hexdigest()}", len(changed)
    return canonical.encode(value)


def _serve(cast: Cast, host: dict[str, str], data: bytes, sources: dict[str, str]) -> Result:
    """A custodian host over a copy of the data, so that the genuine one stays as it is."""
    stage, digest = cast.stage, sha256_text(data)
    name = f"changed-{digest[7:15]}"
    folders = {kind: stage.folder / f"{name}-{kind}" for kind in ("data", "anchor")}
    shutil.copytree(cast.data, folders["data"])
    shutil.copytree(cast.anchor, folders["anchor"])
    manifests = stage.home / "manifests"
    path = manifests / f"{digest.removeprefix('sha256:')}.json"
    kept = path.with_suffix(".sources").read_bytes() if path.exists() else None
    path.write_bytes(data)
    path.with_suffix(".sources").write_text(json.dumps(sources))
    record = {**host, "name": name, "manifest": digest, **{kind: str(folder) for kind, folder in folders.items()}}
    (stage.home / "custodian-hosts" / f"{name}.json").write_text(json.dumps(record))
    result = stage.cli("custodian", "serve", name, "--port", str(free_port()))
    if kept is not None:
        path.with_suffix(".sources").write_bytes(kept)
    return result


__all__ = ["EARLY", "changed_module", "restored_together", "rolled_back"]
