"""Product lines: how the certificates and reports of each differ. A line is known by its root certificate.

Sources: SEV-SNP firmware ABI 56860 (tables TCB_VERSION, CHIP_ID) and the VCEK specification 57230 (X.509 extensions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["GENOA", "MILAN", "PRODUCTS", "TURIN", "Product"]

_TCB_BYTES: Final = 8
_ZEN3_ZEN4_FAMILY: Final = 0x19
_ZEN5_FAMILY: Final = 0x1A


@dataclass(frozen=True)
class Product:
    """`name` as certificates write it. `tcb` says which byte of a TCB_VERSION holds which component; the other bytes
    are reserved. `structure` is the version of the certificate extensions, `family` what CPUID says.
    """

    name: str
    tcb: Mapping[str, int]
    chip_id_bytes: int
    structure: int
    family: int

    def unpack(self, version: bytes) -> dict[str, int]:
        """The components of a TCB_VERSION, by name."""
        return {name: version[index] for name, index in self.tcb.items()}

    def pack(self, components: Mapping[str, int]) -> bytes:
        """Inverse of `unpack`."""
        version = bytearray(_TCB_BYTES)
        for name, index in self.tcb.items():
            version[index] = components[name]
        return bytes(version)

    def reserved_is_zero(self, version: bytes) -> bool:
        return self.pack(self.unpack(version)) == version


_BEFORE_TURIN: Final = {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7}
_TURIN_TCB: Final = {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7}

MILAN: Final = Product("Milan", _BEFORE_TURIN, chip_id_bytes=64, structure=0, family=_ZEN3_ZEN4_FAMILY)
GENOA: Final = Product("Genoa", _BEFORE_TURIN, chip_id_bytes=64, structure=0, family=_ZEN3_ZEN4_FAMILY)
"""With Bergamo and Siena, which are certified as Genoa."""
TURIN: Final = Product("Turin", _TURIN_TCB, chip_id_bytes=8, structure=1, family=_ZEN5_FAMILY)

PRODUCTS: Final[Mapping[str, Product]] = {product.name: product for product in (MILAN, GENOA, TURIN)}
