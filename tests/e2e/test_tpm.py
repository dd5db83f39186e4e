"""A workload on a machine with a TPM (swtpm): it gets its secret if the machine booted what the policy names, on
this very TPM, for this very manifest; each other way is refused, with a reason.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.platforms.tpm.verify import pcr_of
from casemate.cli._home import shield
from casemate.testing.stage import Result
from casemate.testing.swtpm import MISSING_SWTPM, SoftwareTpm, swtpm, swtpm_is_there

from .conftest import Installation, Policy
from .test_refusals import decision_of, why

pytestmark = pytest.mark.skipif(not swtpm_is_there(), reason=MISSING_SWTPM)

MEASUREMENT, REFUSED = 65, 67
FIRMWARE: Final = {0: "aa" * 32, 4: "bb" * 32}
"""What a made-up firmware and a made-up loader extend."""
ZERO: Final = bytes(32)
OTHER: Final = b"\x22" * 32


def extended(*digests: bytes) -> str:
    """What a register holds, in hex."""
    value = ZERO
    for digest in digests:
        value = hashlib.sha256(value + digest).digest()
    return value.hex()


@contextmanager
def machine(runtime: bytes | None = None) -> Iterator[SoftwareTpm]:
    """A machine that booted: firmware, loader, and the shield's digest (or `runtime`) into PCR 11."""
    with swtpm() as tpm:
        for number, digest in FIRMWARE.items():
            tpm.tool("tpm2_pcrextend", f"{number}:sha256={digest}")
        measured = runtime or hashlib.sha256(shield().read_bytes()).digest()
        tpm.tool("tpm2_pcrextend", f"11:sha256={measured.hex()}")
        yield tpm


@pytest.fixture
def tpm() -> Iterator[SoftwareTpm]:
    with machine() as booted:
        yield booted


def key_of(installation: Installation, tpm: SoftwareTpm) -> str:
    """The TPM's name of the key that signs there, as a policy's author learns it."""
    file = installation.stage.folder / "evidence.json"
    installation.stage.ask("evidence", "collect", "--tpm", tpm.socket, "--out", file)
    return str(installation.stage.ask("evidence", "show", file)["key_name"])


def policy_for(installation: Installation, key: str) -> Policy:
    policy = installation.policy(simulated=False)
    policy.document["secrets"] = {"password": {"kind": "random", "bytes": 24, "encoding": "base64url"}}
    registers = {f"pcr{number}": [ZERO.hex()] for number in (7, 8, 9, 12)}
    registers |= {f"pcr{number}": [extended(bytes.fromhex(digest))] for number, digest in FIRMWARE.items()}
    policy.shell(
        options=["--env=PASSWORD={{ hole.PASSWORD }}", "--hole=PASSWORD=[A-Za-z0-9_-]+"],
        environment={"PASSWORD": "{{ secret.password }}"},
        platforms={"sev-snp": {"tcb": {"snp": 20}}, "tpm": {"require": {"name": [key], **registers}}},
        runtime={
            "measurements": {
                "sev-snp": ["sha384:" + "0" * 96],
                "tpm": [f"sha256:{extended(hashlib.sha256(shield().read_bytes()).digest())}"],
            }
        },
    )
    policy.submit()
    return policy


def run(policy: Policy, tpm: SoftwareTpm, script: str = "echo $PASSWORD") -> Result:
    return policy.run(script, "--tpm", str(tpm.socket))


def denied(installation: Installation, told: Result) -> dict[str, Any]:
    """The decision that refused it."""
    assert (told.status, told.output) == (REFUSED, "")
    return why(installation, decision_of(told))


def test_a_workload_gets_its_secret_on_the_machine_that_the_policy_names(
    installation: Installation, tpm: SoftwareTpm
) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    told = run(policy, tpm, "echo $PASSWORD; ls /dev; ls /proc/self/fd")
    assert told.status == 0, told.errors
    password, *rest = told.output.split()
    assert len(password) == 32
    assert not [name for name in rest if "tpm" in name]
    assert "platform tpm" in told.errors
    manifest = policy.document["services"]["sh"]["workload"]["manifest"]
    quoted = tpm.tool("tpm2_pcrread", "sha256:15").decode().lower()
    assert pcr_of(bytes.fromhex(manifest.removeprefix("sha256:"))).hex() in quoted


def test_the_evidence_of_the_machine_is_judged_by_the_policy_without_a_custodian_too(
    installation: Installation, tpm: SoftwareTpm
) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    file = installation.stage.folder / "evidence.json"
    installation.stage.ask("evidence", "collect", "--tpm", tpm.socket, "--nonce", "00ff", "--out", file)
    service = f"{policy.path}#sh"
    words = ("evidence", "verify", "--evidence", file, "--machine-only", "--policy", service)
    assert installation.stage.ask(*words, "--nonce", "00ff")["platform"] == "tpm"
    told = installation.stage.cli(*words, "--nonce", "00fe", "--json")
    assert json.loads(told.output)["error"]["step"] == "evidence.nonce"


def test_signals_and_the_exit_status_get_through(installation: Installation, tpm: SoftwareTpm) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
    running = policy.start(script, "--tpm", str(tpm.socket))
    running.says("up")
    assert running.end(signal.SIGTERM) == 7


def test_a_machine_on_which_another_manifest_was_started_is_refused(
    installation: Installation, tpm: SoftwareTpm
) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    tpm.tool("tpm2_pcrextend", f"15:sha256={'11' * 32}")
    told = run(policy, tpm)
    assert (told.status, told.output) == (MEASUREMENT, "")
    assert "PCR 15 was extended before" in told.errors


def test_a_second_start_needs_another_boot(installation: Installation, tpm: SoftwareTpm) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    assert run(policy, tpm).status == 0
    told = run(policy, tpm)
    assert (told.status, told.output) == (MEASUREMENT, "")
    assert "restart the machine" in told.errors


def test_a_machine_that_booted_another_runtime_is_denied(installation: Installation) -> None:
    with machine(runtime=OTHER) as other:
        policy = policy_for(installation, key_of(installation, other))
        decision = denied(installation, run(policy, other))
    assert decision["step"] == "runtime.measurement"
    assert decision["got"] == f"sha256:{extended(OTHER)}"


def test_a_machine_that_booted_other_firmware_is_denied(installation: Installation, tpm: SoftwareTpm) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    tpm.tool("tpm2_pcrextend", f"4:sha256={'33' * 32}")
    decision = denied(installation, run(policy, tpm))
    assert decision["step"] == "platform.values"
    assert "pcr4" in json.dumps(decision)


def test_the_same_boot_on_another_tpm_is_refused(installation: Installation, tpm: SoftwareTpm) -> None:
    """Its key is one that nobody vouches for: no decision is taken on it."""
    policy = policy_for(installation, key_of(installation, tpm))
    with machine() as another:
        told = run(policy, another)
    assert (told.status, told.output) == (REFUSED, "")
    assert "evidence.refused" in told.errors


def test_a_manifest_that_nobody_admitted_is_denied_there_too(installation: Installation, tpm: SoftwareTpm) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    policy.shell(options=["--env=OTHER=1"])
    decision = denied(installation, policy.run("echo $OTHER", "--tpm", str(tpm.socket)))
    assert decision["step"] == "workload.manifest"


def test_a_machine_without_that_tpm_is_told(installation: Installation, tmp_path: Path, tpm: SoftwareTpm) -> None:
    policy = policy_for(installation, key_of(installation, tpm))
    told = policy.run("echo ran", "--tpm", str(tmp_path / "none"))
    assert (told.status, told.output) == (66, "")
    assert "No such file" in told.errors
