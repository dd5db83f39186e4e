"""Attacks on the measurement: another runtime, debug, a stand-in for the genuine shield, a workload that asks."""

from __future__ import annotations

import os
from pathlib import Path

from casemate.manifest import library
from casemate.manifest.bundle import launch_bundle
from casemate.simulator.launch import launch
from casemate.testing.stage import Result, wait_for
from casemate.wire import canonical
from examples.first_run.cast import Cast, compile_c
from examples.first_run.screen import Outcome

_CUSTODIAN_REFUSED = 67


def changed_shield(cast: Cast) -> Outcome:
    genuine = Path(cast.stage.ask("platform", "show")["shield"])
    data = bytearray(genuine.read_bytes())
    at = data.rindex(b"casemate-shield")
    data[at] ^= 0x20
    changed = cast.stage.folder / "changed-shield"
    changed.write_bytes(data)
    changed.chmod(0o755)
    result = cast.stage.cli("run", "acme/records#client", env={"CASEMATE_SHIELD": str(changed)}, stdin="PING\n")
    return Outcome(
        tried="Flip one bit in a text of the shield (it still runs) and start redis-cli under it.",
        happened=result.said,
        why="The platform measures the shield from a sealed copy at launch; the policy names the genuine one.",
        held=result.status == _CUSTODIAN_REFUSED and "runtime" in result.said,
    )


def debug(cast: Cast) -> Outcome:
    result = _with_hostile_platform(cast, "debug")
    return Outcome(
        tried="Launch with the debug bit set in the guest policy: the host could then read the domain's memory.",
        happened=result.said,
        why="Debug evidence is genuine and never accepted. Before evidence verified, nobody learns more than a code.",
        held=result.status == _CUSTODIAN_REFUSED and "evidence.refused" in result.errors,
    )


def forked(cast: Cast) -> Outcome:
    """The stand-in is launched, then becomes the genuine shield, hoping to be measured now."""
    stand_in = compile_c(cast.stage, "stand_in")
    shield = cast.stage.ask("platform", "show")["shield"]
    said = []
    for how in ("fork", "exec"):
        read_end, write_end = os.pipe()
        built = library.load(cast.stage.home / "manifests", cast.manifests["client"])
        pin = cast.stage.home / "custodians" / "main.json"
        with launch(
            cast.stage.home / "platform" / "agent.sock",
            shield=stand_in,
            host_data=bytes.fromhex(built.parsed.digest.removeprefix("sha256:")),
            bundle=launch_bundle(
                built, genesis=_genesis(pin), addresses=[f"http://127.0.0.1:{cast.port}"], holes={}, mounts={}
            ),
            arguments=[how, shield],
            environment={},
            stdio=(os.open(os.devnull, os.O_RDONLY), write_end, write_end),
        ) as started:
            os.close(write_end)
            status = started.wait()
        with os.fdopen(read_end, "rb") as output:
            said.append((status, output.read().decode(errors="replace").strip().splitlines()[-1:]))
    held = all(status == _CUSTODIAN_REFUSED and lines and "runtime" in lines[0] for status, lines in said)
    return Outcome(
        tried="A program is launched, keeps the descriptors and forks (or execs) the genuine shield, hoping that the "
        "platform measures whoever asks.",
        happened=" / ".join(lines[0] if lines else f"status {status}" for status, lines in said),
        why="Identity hangs on the socket pair that was made at launch, for what was launched. Who runs later, and "
        "under which name, changes nothing.",
        held=held,
    )


def asking(cast: Cast) -> Outcome:
    result = cast.stage.cli("run", "acme/records#probe")
    return Outcome(
        tried="A workload of this policy looks for evidence: the platform's socket, inherited descriptors, its "
        "parent's descriptors, TEE devices, configfs, ptrace, pidfd_getfd, mount, new namespaces.",
        happened=" ".join(result.output.split()) or result.said,
        why="The evidence source stays with the shield, outside the workload's name spaces. Whoever can ask for "
        "evidence can write report data, so nobody but the shield can.",
        held=result.status == 0 and "found nothing" in result.output,
    )


def _with_hostile_platform(cast: Cast, mode: str) -> Result:
    path = cast.stage.folder / f"{mode}.sock"
    process = cast.stage.start(mode, "platform", "simulate", "--hostile", mode, "--socket", path)
    try:
        wait_for(f"the {mode} platform", path.exists)
        return cast.stage.cli("run", "acme/records#client", env={"CASEMATE_AGENT": str(path)}, stdin="PING\n")
    finally:
        cast.stage.stop(process)


def _genesis(pin: Path) -> bytes:
    return canonical.encode(canonical.decode(pin.read_bytes())["genesis"])


__all__ = ["asking", "changed_shield", "debug", "forked"]
