"""TCB info and enclave identities: what Intel publishes of kinds of machines and of its own enclaves, signed JSON.

Source: Intel Provisioning Certification Service, API version 4, "Get TCB Info", "Get Quoting Enclave identity". Intel
signs the bytes of the inner object as they are sent. It adds fields from time to time, which are signed too: unknown
ones are no error here.

Which level a TCB has is the first that fits, so their order decides. Levels of machines have none in the document that
counts: Intel's quote verification library sorts them (`TcbLevel::operator>`), and refuses two that are one
(`TcbInfo::TcbInfo`). What has one version only, it takes in the document's order of enclaves and sorts of modules: that
order has to be the one that it sorts in, so that whoever reads the document comes to the same level.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from casemate.attestation.platforms.intel.signing import plain_signature_holds
from casemate.errors import EndorsementError
from casemate.wire.fields import Time

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Content",
    "EnclaveIdentity",
    "Level",
    "MachineLevel",
    "ModuleIdentity",
    "Signed",
    "TcbInfo",
    "VersionLevel",
    "opened",
]

MAX_DOCUMENT_BYTES: Final = 256 * 1024
"""Real ones are below 20 KiB."""

_REMEMBERED: Final = 64
"""Documents: with a few kinds of machines, some that were replaced among them."""

_STEP: Final = "evidence.documents"
_OUTER: Final = re.compile(
    rb'\s*\{\s*"(tcbInfo|enclaveIdentity)"\s*:\s*(\{.*\})\s*,\s*"signature"\s*:\s*"([0-9a-fA-F]{128})"\s*\}\s*',
    re.DOTALL,
)
_MAX_LEVELS: Final = 1000


def _hexadecimal(size: int) -> BeforeValidator:
    def decode(value: Any) -> bytes:
        if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-fA-F]{{{2 * size}}}", value):
            raise ValueError(f"expected {size} bytes in hexadecimal")
        return bytes.fromhex(value)

    return BeforeValidator(decode)


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, hide_input_in_errors=True, alias_generator=to_camel
    )


_Version = Annotated[int, Field(ge=0, le=0xFFFF)]
_Number = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
"""Both other readers, Intel's and dcap-qvl, have 32 bits for it."""


class _Component(_Part):
    svn: Annotated[int, Field(ge=0, le=0xFF)]


_Components = Annotated[list[_Component], Field(min_length=16, max_length=16)]


class _MachineTcb(_Part):
    """`tdx` is there where it runs trust domains."""

    sgx: Annotated[_Components, Field(alias="sgxtcbcomponents")]
    tdx: Annotated[_Components | None, Field(alias="tdxtcbcomponents")] = None
    pce: Annotated[_Version, Field(alias="pcesvn")]

    @property
    def order(self) -> tuple[list[int], int, list[int]]:
        return [one.svn for one in self.sgx], self.pce, [one.svn for one in self.tdx or ()]


class _VersionTcb(_Part):
    isv: Annotated[_Version, Field(alias="isvsvn")]


class Level(_Part):
    """What Intel says of a TCB that is at least this one."""

    tcb_date: Time
    tcb_status: str
    advisories: Annotated[tuple[str, ...], Field(alias="advisoryIDs", strict=False, max_length=256)] = ()


class MachineLevel(Level):
    tcb: _MachineTcb
    tcb_status: Literal[
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
    ]


class VersionLevel(Level):
    """Of a module or an enclave."""

    tcb: _VersionTcb
    tcb_status: Literal["UpToDate", "OutOfDate", "Revoked"]


def _sorted(levels: tuple[MachineLevel, ...]) -> tuple[MachineLevel, ...]:
    ordered = tuple(sorted(levels, key=lambda level: level.tcb.order, reverse=True))
    if any(one.tcb.order == other.tcb.order for one, other in pairwise(ordered)):
        raise ValueError("two levels are of the same TCB")
    return ordered


def _descending(levels: tuple[VersionLevel, ...]) -> tuple[VersionLevel, ...]:
    if any(one.tcb.isv <= other.tcb.isv for one, other in pairwise(levels)):
        raise ValueError("levels that do not descend")
    return levels


_MachineLevels = Annotated[
    tuple[MachineLevel, ...], Field(strict=False, max_length=_MAX_LEVELS), AfterValidator(_sorted)
]
_VersionLevels = Annotated[
    tuple[VersionLevel, ...], Field(strict=False, max_length=_MAX_LEVELS), AfterValidator(_descending)
]


class _Module(_Part):
    mrsigner: Annotated[bytes, _hexadecimal(48)]
    attributes: Annotated[bytes, _hexadecimal(8)]
    attributes_mask: Annotated[bytes, _hexadecimal(8)]


class ModuleIdentity(_Module):
    """Of a major version of the TDX module: `TDX_03` is version 3."""

    id: str
    tcb_levels: _VersionLevels


class _Dated(_Part):
    issue_date: Time
    next_update: Time
    tcb_evaluation_data_number: _Number


class TcbInfo(_Dated):
    """Of one kind of machine, `tcb_levels` from the highest on. `tdx_module` is of modules of major version 0, which
    were not numbered.
    """

    id: Literal["SGX", "TDX"]
    version: Literal[3]
    fmspc: Annotated[bytes, _hexadecimal(6)]
    pce_id: Annotated[bytes, _hexadecimal(2)]
    tcb_type: Literal[0]
    tcb_levels: _MachineLevels
    tdx_module: _Module | None = None
    tdx_module_identities: Annotated[tuple[ModuleIdentity, ...], Field(strict=False, max_length=100)] = ()

    @model_validator(mode="after")
    def _levels_are_of_the_platform(self) -> Self:
        """Components of TDX in an info of SGX would tell levels apart that are the same there."""
        if any((level.tcb.tdx is not None) != (self.id == "TDX") for level in self.tcb_levels):
            raise ValueError("levels with components of TDX are those of TDX")
        return self

    @model_validator(mode="after")
    def _tells_of_the_module(self) -> Self:
        """An info of TDX has one, whatever modules are numbered besides: Intel's library asks for it as well."""
        if self.id == "TDX" and self.tdx_module is None:
            raise ValueError("an info of TDX tells of its module")
        return self


class EnclaveIdentity(_Dated):
    """Of a quoting enclave."""

    id: Literal["QE", "TD_QE", "QVE"]
    version: Literal[2]
    miscselect: Annotated[bytes, _hexadecimal(4)]
    miscselect_mask: Annotated[bytes, _hexadecimal(4)]
    attributes: Annotated[bytes, _hexadecimal(16)]
    attributes_mask: Annotated[bytes, _hexadecimal(16)]
    mrsigner: Annotated[bytes, _hexadecimal(32)]
    isvprodid: _Version
    tcb_levels: _VersionLevels


Content = TypeVar("Content", TcbInfo, EnclaveIdentity)


@dataclass(frozen=True)
class Signed(Generic[Content]):
    """`text` is what was signed, `by` the index of who did, of those that were offered. What was signed alike is equal,
    and has one instance while it is remembered.
    """

    content: Content = field(compare=False)
    text: bytes = field(repr=False)
    signature: bytes
    by: int


def opened(document: bytes, signers: Sequence[ec.EllipticCurvePublicKey]) -> Signed[TcbInfo] | Signed[EnclaveIdentity]:
    """One document as Intel sends it, signed by one of `signers`. Errors: EndorsementError."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise _bad("a document of Intel's is too large", f"≤ {MAX_DOCUMENT_BYTES} bytes", str(len(document)))
    match = _OUTER.fullmatch(document)
    if match is None:
        raise _bad("no document of Intel's", '{"tcbInfo": {…}, "signature": "…"}, or enclaveIdentity')
    name, text, signature = match.groups()
    points = tuple(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for key in signers)
    # Remembered by what was signed: white space around it anybody may choose.
    return _opened(name, text, bytes.fromhex(signature.decode()), points)


@lru_cache(maxsize=_REMEMBERED)
def _opened(
    name: bytes, text: bytes, signature: bytes, signers: tuple[bytes, ...]
) -> Signed[TcbInfo] | Signed[EnclaveIdentity]:
    """`signers`: points of the curve P-256."""
    keys = [ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) for point in signers]
    # First of all: what somebody else wrote is not looked at.
    by = next((place for place, key in enumerate(keys) if plain_signature_holds(key, text, signature)), None)
    if by is None:
        raise EndorsementError(
            "a document is not signed by Intel's key for it",
            step="evidence.document_signature",
            remedy="bring the certificate that came with the document, and the document as it was sent",
        )
    try:
        if name == b"tcbInfo":
            return Signed(TcbInfo.model_validate_json(text), text, signature, by)
        return Signed(EnclaveIdentity.model_validate_json(text), text, signature, by)
    except ValidationError as error:
        raise _bad("a document of Intel's that is not understood", got=_first(error)) from error


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"[:200]


def _bad(message: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step=_STEP, expected=expected, got=got)
