"""What SGX enclaves and TDX trust domains say of themselves: the bodies of quotes.

Sources: Intel SDM volume 3D, table REPORT (SGX); TDX module ABI, TDREPORT_STRUCT, as Intel's quoting library for TDX
(appendix A, "TD quote body") lays it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from casemate.attestation.platforms.intel.reader import Reader

__all__ = [
    "ENCLAVE_DEBUG",
    "ENCLAVE_REPORT_BYTES",
    "TD_REPORT_10_BYTES",
    "TD_REPORT_15_BYTES",
    "EnclaveReport",
    "TdReport",
]

ENCLAVE_REPORT_BYTES: Final = 384
TD_REPORT_10_BYTES: Final = 584
TD_REPORT_15_BYTES: Final = 648
ENCLAVE_DEBUG: Final = 1 << 1
"""Of an enclave's ATTRIBUTES (Intel SDM volume 3D, table "Layout of ATTRIBUTES Structure")."""


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """`attributes` are 8 bytes of flags and 8 of XFRM; measurements have 32 bytes, `config_id` and `report_data` 64."""

    cpu_svn: bytes
    misc_select: bytes
    isv_extended_product: bytes
    attributes: bytes
    mr_enclave: bytes
    mr_signer: bytes
    config_id: bytes
    isv_product: int
    isv_svn: int
    config_svn: int
    isv_family: bytes
    report_data: bytes

    @classmethod
    def parse(cls, data: bytes, what: str) -> EnclaveReport:
        """Errors: EvidenceMalformedError."""
        reader = Reader(data, what)
        cpu_svn, misc_select = reader.take(16, "CPUSVN"), reader.take(4, "MISCSELECT")
        reader.zeros(12, "reserved field after MISCSELECT")
        extended, attributes = reader.take(16, "ISVEXTPRODID"), reader.take(16, "ATTRIBUTES")
        mr_enclave = reader.take(32, "MRENCLAVE")
        reader.zeros(32, "reserved field after MRENCLAVE")
        mr_signer = reader.take(32, "MRSIGNER")
        reader.zeros(32, "reserved field after MRSIGNER")
        config_id = reader.take(64, "CONFIGID")
        product, svn, config_svn = (reader.number(2, name) for name in ("ISVPRODID", "ISVSVN", "CONFIGSVN"))
        reader.zeros(42, "reserved field after CONFIGSVN")
        family, report_data = reader.take(16, "ISVFAMILYID"), reader.take(64, "report data")
        reader.end()
        return cls(
            cpu_svn,
            misc_select,
            extended,
            attributes,
            mr_enclave,
            mr_signer,
            config_id,
            product,
            svn,
            config_svn,
            family,
            report_data,
        )

    @property
    def flags(self) -> int:
        return int.from_bytes(self.attributes[:8], "little")

    @property
    def in_debug_mode(self) -> bool:
        """The host can read its memory, and write to it."""
        return bool(self.flags & ENCLAVE_DEBUG)

    @property
    def circumstances(self) -> tuple[bytes | None, ...]:
        """Under what it runs and how it was built, not what it is or says: what opinions on its TCB may rest on."""
        return self.cpu_svn, self.misc_select, self.attributes


@dataclass(frozen=True, slots=True)
class TdReport:
    """`tee_tcb_svn` are 16 security versions: of the TDX module's minor and major version, and of what is below it.

    `current_tcb_svn` and `mr_service_td` are those of a TDX 1.5 module, None of an older one: the versions that run
    now, while `tee_tcb_svn` are those that the domain was launched under. Measurements have 48 bytes.
    """

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    current_tcb_svn: bytes | None = None
    mr_service_td: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> TdReport:
        """Of 584 bytes, or of 648. Errors: EvidenceMalformedError."""
        reader = Reader(data, "the TD report")
        tcb, seam, signer = reader.take(16, "TEE_TCB_SVN"), reader.take(48, "MRSEAM"), reader.take(48, "MRSIGNERSEAM")
        seam_attributes, attributes, xfam = (reader.take(8, name) for name in ("SEAMATTRIBUTES", "attributes", "XFAM"))
        td, config, owner, owner_config = (
            reader.take(48, name) for name in ("MRTD", "MRCONFIGID", "MROWNER", "MROWNERCONFIG")
        )
        first, second, third, fourth = (reader.take(48, f"RTMR{number}") for number in range(4))
        report_data = reader.take(64, "report data")
        newer = len(data) > TD_REPORT_10_BYTES
        current, service = (reader.take(16, "TEE_TCB_SVN2"), reader.take(48, "MRSERVICETD")) if newer else (None, None)
        reader.end()
        return cls(
            tcb,
            seam,
            signer,
            seam_attributes,
            attributes,
            xfam,
            td,
            config,
            owner,
            owner_config,
            (first, second, third, fourth),
            report_data,
            current,
            service,
        )

    @property
    def flags(self) -> int:
        return int.from_bytes(self.attributes, "little")

    @property
    def circumstances(self) -> tuple[bytes | None, ...]:
        """Under what it runs and how it was launched, not what it is or says: what opinions on its TCB may rest on."""
        module = (self.tee_tcb_svn, self.current_tcb_svn, self.mr_seam, self.mr_signer_seam, self.seam_attributes)
        return (*module, self.attributes, self.xfam, self.mr_service_td)

    def as_of_now(self) -> TdReport:
        """As if the domain had been launched under what runs now; itself, where the module does not tell."""
        return self if self.current_tcb_svn is None else replace(self, tee_tcb_svn=self.current_tcb_svn)
