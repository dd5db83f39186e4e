"""What AMD certified about a key that signs reports (VCEK specification 57230, table "X.509 extensions").

Numbers are DER INTEGERs; the HWID is bare bytes in older certificates, an OCTET STRING in newer ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from casemate.attestation.platforms.sev_snp.products import Product
from casemate.errors import EndorsementError

__all__ = ["ARC", "CSP_ID", "HWID", "PRODUCT_NAME", "SPL", "SPL_ARCS", "STRUCTURE", "KeyExtensions", "key_extensions"]

ARC: Final = "1.3.6.1.4.1.3704.1"
STRUCTURE: Final = f"{ARC}.1"
PRODUCT_NAME: Final = f"{ARC}.2"
SPL: Final = f"{ARC}.3"
"""Security versions lie below; those that a product line does not use are reserved, and zero."""
HWID: Final = f"{ARC}.4"
CSP_ID: Final = f"{ARC}.5"

SPL_ARCS: Final = {"bootloader": 1, "tee": 2, "snp": 3, "microcode": 8, "fmc": 9}

_MAX_TEXT: Final = 127
"""DER lengths of one byte; real texts are below 40."""


@dataclass(frozen=True)
class KeyExtensions:
    """`product` in full, with the stepping (`Milan-B0`). A VCEK has `hwid`, a VLEK has `csp_id`."""

    product: str
    spl: Mapping[str, int]
    hwid: bytes | None
    csp_id: str | None


def key_extensions(values: Mapping[str, bytes], product: Product) -> KeyExtensions:
    """`values` by OID, as in the certificate. `EndorsementError` where one is missing, or not what `product` has."""
    structure = _integer(_required(values, STRUCTURE, "structure version"), "structure version")
    if structure != product.structure:
        raise _bad("the report key's extensions are of an unknown structure", str(product.structure), str(structure))
    return KeyExtensions(
        product=_product_name(values, product),
        spl=_security_versions(values, product),
        hwid=_hwid(values[HWID], product) if HWID in values else None,
        csp_id=_text(values[CSP_ID], "CSP id") if CSP_ID in values else None,
    )


def _product_name(values: Mapping[str, bytes], product: Product) -> str:
    """`Milan-B0`, or without the stepping."""
    name = _text(_required(values, PRODUCT_NAME, "product name"), "product name")
    if name.partition("-")[0] != product.name:
        raise _bad("the report key is of another product", product.name, name)
    return name


def _security_versions(values: Mapping[str, bytes], product: Product) -> dict[str, int]:
    used = {f"{SPL}.{SPL_ARCS[name]}": name for name in product.tcb}
    for oid, name in used.items():
        _required(values, oid, name)
    found = {oid: _integer(value, oid) for oid, value in values.items() if oid.startswith(f"{SPL}.")}
    for oid in found.keys() - used.keys():
        if found[oid]:
            raise _bad("the report key has a reserved security version", f"{oid} = 0", str(found[oid]))
    return {name: found[oid] for oid, name in used.items()}


def _required(values: Mapping[str, bytes], oid: str, name: str) -> bytes:
    if oid not in values:
        raise _bad(f"the report key's certificate lacks its {name}", oid)
    return values[oid]


def _integer(der: bytes, name: str) -> int:
    """DER INTEGER 0..255 in its only form."""
    if len(der) in (3, 4) and der[0] == 2 and der[1] == len(der) - 2:
        value = int.from_bytes(der[2:], "big", signed=True)
        if 0 <= value <= 255 and len(der) == (3 if value < 128 else 4):
            return value
    raise _bad(f"the certificate's {name} is not an INTEGER of 0 to 255")


def _text(der: bytes, name: str) -> str:
    """DER IA5String, short form."""
    if len(der) >= 2 and der[0] == 0x16 and der[1] == len(der) - 2 <= _MAX_TEXT and der[2:].isascii():
        return der[2:].decode("ascii")
    raise _bad(f"the certificate's {name} is not an IA5String")


def _hwid(value: bytes, product: Product) -> bytes:
    size = product.chip_id_bytes
    if len(value) == size:
        return value
    if len(value) == size + 2 and value[0] == 4 and value[1] == size:
        return value[2:]
    raise _bad("the certificate's HWID has an odd length", f"{size} bytes", str(len(value)))


def _bad(message: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step="evidence.report_key", expected=expected, got=got)
