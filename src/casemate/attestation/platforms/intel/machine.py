"""What Intel certified of a machine: the extensions of a PCK certificate.

Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5. DER all through; what is not known is
refused, since nobody else puts anything there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from casemate.errors import EndorsementError

__all__ = ["SGX_EXTENSIONS", "Machine"]

SGX_EXTENSIONS: Final = "1.2.840.113741.1.13.1"
_PREFIX: Final = bytes.fromhex("2a864886f84d010d01")
"""The OID's own bytes; those of the parts go on from it."""
_PPID, _TCB, _PCE_ID, _FMSPC, _TYPE, _INSTANCE, _CONFIGURATION = range(1, 8)
_KNOWN: Final = frozenset({_PPID, _TCB, _PCE_ID, _FMSPC, _TYPE, _INSTANCE, _CONFIGURATION})
_COMPONENTS: Final = 16
_PCE_SVN: Final = 17
_CPU_SVN: Final = 18
_MAX_COMPONENT: Final = 0xFF
_MAX_PCE_SVN: Final = 0x7FFF
"""It has 16 bits. Those of Intel's provisioning enclaves are far below 100; dcap-qvl reads no number whose DER has a
byte more than that, as from 32,768 on: what one reading of two refuses is refused of every quote of the machine, so
that a quote's version, which decides whether both are asked, decides nothing of the kind.
"""
_SMT: Final = 3
_MEMORY: Final = ("standard", "scalable", "scalable-with-integrity")
_BOOLEANS: Final = {b"\0": False, b"\xff": True}
_BOOLEAN, _INTEGER, _OCTETS, _OID, _ENUMERATED, _SEQUENCE = 0x01, 0x02, 0x04, 0x06, 0x0A, 0x30
_SHORT: Final = 0x80


@dataclass(frozen=True, slots=True)
class Machine:
    """`ppid` (16 bytes) is one machine's; `fmspc` (6) and `pce_id` (2) say of which kind it is. `components` are 16
    security versions, with that of the provisioning enclave beside them: the TCB that the key was certified for.
    `memory` is how enclaves' memory is protected; `smt` says whether threads of others share a core, where the
    certificate does (those of a Platform CA).
    """

    ppid: bytes
    fmspc: bytes
    pce_id: bytes
    components: tuple[int, ...]
    pce_svn: int
    memory: str
    smt: bool | None

    @classmethod
    def parse(cls, extension: bytes) -> Machine:
        """Errors: EndorsementError."""
        parts = _named(_whole(extension), _PREFIX)
        if not parts.keys() <= _KNOWN:
            raise _bad("an extension that is not known")
        versions = _named(_part(parts, _TCB, _SEQUENCE), _PREFIX + bytes((_TCB,)))
        numbers = [_integer(_part(versions, arc, _INTEGER)) for arc in range(1, _PCE_SVN + 1)]
        if any(number > _MAX_COMPONENT for number in numbers[:_COMPONENTS]) or numbers[_COMPONENTS] > _MAX_PCE_SVN:
            raise _bad("a security version that is too large")
        _sized(versions, _CPU_SVN, 16)
        return cls(
            ppid=_sized(parts, _PPID, 16),
            fmspc=_sized(parts, _FMSPC, 6),
            pce_id=_sized(parts, _PCE_ID, 2),
            components=tuple(numbers[:_COMPONENTS]),
            pce_svn=numbers[_COMPONENTS],
            memory=_memory(_integer(_part(parts, _TYPE, _ENUMERATED))),
            smt=_smt(_part(parts, _CONFIGURATION, _SEQUENCE)) if _CONFIGURATION in parts else None,
        )


def _memory(kind: int) -> str:
    if kind >= len(_MEMORY):
        raise _bad("a kind of memory protection that is not known")
    return _MEMORY[kind]


def _smt(configuration: bytes) -> bool | None:
    """None where it leaves that open."""
    parts = _named(configuration, _PREFIX + bytes((_CONFIGURATION,)))
    if _SMT not in parts:
        return None
    content = _part(parts, _SMT, _BOOLEAN)
    if content not in _BOOLEANS:
        raise _bad("a truth value that is not DER")
    return _BOOLEANS[content]


def _whole(data: bytes) -> bytes:
    """Content of the one sequence that there is."""
    elements = list(_elements(data))
    if len(elements) != 1 or elements[0][0] != _SEQUENCE:
        raise _bad("no sequence, or more than one")
    return elements[0][1]


def _named(data: bytes, prefix: bytes) -> dict[int, tuple[int, bytes]]:
    """Pairs of OID and value, by the OID's last arc after `prefix`: tag and content of each."""
    found: dict[int, tuple[int, bytes]] = {}
    for tag, pair in _elements(data):
        parts = list(_elements(pair)) if tag == _SEQUENCE else []
        if len(parts) != 2 or parts[0][0] != _OID:
            raise _bad("no pair of OID and value")
        name = parts[0][1]
        if name[:-1] != prefix or name[-1] in found:
            raise _bad("an OID of something else, or one twice")
        found[name[-1]] = parts[1]
    return found


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of one DER element after the other."""
    position = 0
    while position < len(data):
        header = data[position : position + 2]
        if len(header) < 2:
            raise _bad("it ends in a header")
        tag, length = header
        position += 2
        if length >= _SHORT:
            wide = length - _SHORT
            encoded = data[position : position + wide]
            length = int.from_bytes(encoded, "big")
            if not 1 <= wide <= 2 or len(encoded) != wide or length < _SHORT or encoded[0] == 0:
                raise _bad("a length that is not DER")
            position += wide
        content = data[position : position + length]
        if len(content) != length:
            raise _bad("it ends in a value")
        position += length
        yield tag, content


def _part(parts: Mapping[int, tuple[int, bytes]], arc: int, tag: int) -> bytes:
    found, content = parts.get(arc, (0, b""))
    if found != tag:
        raise _bad(f"part {arc} is missing, or of another type")
    return content


def _sized(parts: Mapping[int, tuple[int, bytes]], arc: int, size: int) -> bytes:
    content = _part(parts, arc, _OCTETS)
    if len(content) != size:
        raise _bad(f"part {arc} does not have {size} bytes")
    return content


def _integer(content: bytes) -> int:
    """Not negative, in as few bytes as it takes."""
    padded = len(content) > 1 and content[0] == 0 and content[1] < 0x80
    if not content or content[0] >= 0x80 or padded:
        raise _bad("a number that is not DER, or negative")
    return int.from_bytes(content, "big")


def _bad(why: str) -> EndorsementError:
    return EndorsementError(f"the PCK certificate's SGX extensions cannot be read: {why}", step="evidence.pck")
