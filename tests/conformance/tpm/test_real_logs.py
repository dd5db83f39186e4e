"""Event logs of real machines, from public repositories: read in place, or the tests are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from casemate.attestation.eventlog import NO_ACTION, EventLog, after_the_log, replay
from casemate.errors import EvidenceMalformedError

FOLDER: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
pytestmark = pytest.mark.skipif(not (FOLDER / "tpm").exists(), reason="the vectors of real evidence are not here")

GOOGLE: Final = FOLDER / "tpm/go-tpm-tools"
ATTESTATION: Final = FOLDER / "tpm/go-attestation"
LOGS: Final = [
    "arch-linux-workstation.bin", "confidential-gke-debug-251000_eventlog.bin", "cos-101-amd-sev.bin",
    "cos-85-amd-sev.bin", "cos-93-amd-sev.bin", "debian-10.bin", "eventlogwithsp800155.bin", "gdc-host.bin",
    "glinux-alex.bin", "rhel8-uefi.bin", "ubuntu-1804-amd-sev.bin", "ubuntu-2104-no-dbx.bin",
    "ubuntu-2104-no-secure-boot.bin", "ubuntu-2404-amd-sevsnp.bin",
]  # fmt: skip
STRANGE: Final = {
    "coreos_36_shielded_vm_no_secure_boot_eventlog": 76,
    "crypto_agile_eventlog": 27,
    "ebs_event_missing_eventlog": 38,
    "option_rom_eventlog": 61,
    "sb_cert_eventlog": 15,
    "ubuntu_2104_shielded_vm_no_secure_boot_eventlog": 106,
}
CCEL: Final = {
    "CCEL_AAEL_alibabacloud": 88, "CCEL_data_gcp": 22, "CCEL_data_grub": 38, "CCEL_data_grub_gke": 36,
    "CCEL_data_ovmf": 21,
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_a_log_replays_to_the_pcrs_of_its_machine(name: str) -> None:
    wanted: dict[str, Any] = json.loads((GOOGLE / "expected_pcrs.derived.json").read_text())[name]["banks"]
    log = EventLog.parse((GOOGLE / name).read_bytes())
    assert wanted
    for bank, registers in wanted.items():
        replayed = {str(number): value.hex() for number, value in replay(log, bank).items()}
        assert replayed == registers


@pytest.mark.skipif(shutil.which("tpm2_eventlog") is None, reason="needs tpm2-tools")
@pytest.mark.parametrize("name", LOGS)
def test_tpm2_tools_come_to_the_same_registers(name: str) -> None:
    """In every bank; but PCR 0 where records are not to be extended, which their version 5.4 extends."""
    told = subprocess.run(["tpm2_eventlog", GOOGLE / name], capture_output=True, text=True, check=True).stdout
    wanted = yaml.load(told[told.index("\npcrs:") :], yaml.BaseLoader)["pcrs"]
    log = EventLog.parse((GOOGLE / name).read_bytes())
    assert set(wanted) == set(log.banks)
    for bank, registers in wanted.items():
        replayed = {str(number): f"0x{value.hex()}" for number, value in replay(log, bank).items()}
        if any((event.kind, event.register) == (NO_ACTION, 0) for event in log.events[1:]):
            assert replayed.pop("0") != registers.pop("0")
        assert replayed == registers


@pytest.mark.parametrize("name", STRANGE)
def test_a_log_of_strange_firmware_is_read_to_its_end(name: str) -> None:
    log = EventLog.parse((ATTESTATION / name).read_bytes())
    assert len(log.events) == STRANGE[name]
    assert replay(log, log.banks[0])


def test_firmware_that_closed_its_log_too_early_is_known() -> None:
    """The test of that project names what PCR 5 of the machine was."""
    log = EventLog.parse((ATTESTATION / "ebs_event_missing_eventlog").read_bytes())
    replayed = replay(log, "sha1")
    held = bytes.fromhex("31245808d6d35849bc394f6343f2b3ff908ed5e3")
    assert held != replayed[5]
    assert held in after_the_log(5, "sha1", replayed[5])
    assert after_the_log(4, "sha1", replayed[4]) == frozenset()


def test_a_log_whose_first_record_says_nothing_is_refused() -> None:
    with pytest.raises(EvidenceMalformedError, match="which specification"):
        EventLog.parse((ATTESTATION / "short_no_action_eventlog").read_bytes())


@pytest.mark.parametrize("name", CCEL)
def test_a_ccel_is_a_log_with_padding(name: str) -> None:
    log = EventLog.parse((FOLDER / "tdx/trustee" / name).read_bytes())
    assert (len(log.events), log.banks) == (CCEL[name], ("sha384",))
    assert "filled up behind its last record" in log.remarks
    assert set(replay(log, "sha384")) <= {1, 2, 3, 4}
