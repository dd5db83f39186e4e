"""Quotes of real machines, from public repositories, with what Intel said of them then: read in place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import Unasked
from casemate.attestation.platforms.intel.chain import PckChain, shipped_root
from casemate.attestation.platforms.intel.quote import Quote
from casemate.attestation.platforms.intel.vouched import QuotingEnclave, check_quote, pck_chain, quoting_enclave
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EndorsementError, EvidenceError, InputError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["FOLDER", "Real", "check_each_bit", "moment", "read", "refused", "signed"]

FOLDER: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))


def read(name: str) -> bytes:
    data = (FOLDER / name).read_bytes()
    return bytes.fromhex(data.decode().strip().removeprefix("0x")) if name.endswith(("txt", "hex")) else data


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Real:
    """`files` are what goes with the quote; `at` a time at which it is what the test says."""

    format: str
    quote: bytes
    files: Sequence[str]
    at: datetime
    log: bytes | None = None

    @classmethod
    def named(cls, quote: str, at: str, *files: str) -> Real:
        return cls(f"{quote.partition('/')[0]}-quote", read(quote), files, moment(at))

    def endorsements(self) -> Endorsements:
        return FORMATS[self.format].endorsements(self.quote, [read(name) for name in self.files])

    def judge(
        self,
        *,
        manifest: bytes | Unasked = Unasked.UNASKED,
        report_data: bytes | Unasked = Unasked.UNASKED,
        endorsements: Endorsements | None = None,
    ) -> VerifiedClaims:
        return verify(
            Evidence.model_validate({"format": self.format, "report": self.quote, "log": self.log}),
            endorsements or self.endorsements(),
            roots=Roots(intel=True),
            at=self.at,
            expected=Expected(report_data=report_data, manifest=manifest),
        )

    def but(self, **changed: object) -> Real:
        return replace(self, **changed)  # type: ignore[arg-type]


def refused(real: Real, step: str, error: type[EvidenceError] = EndorsementError, **expected: Any) -> None:
    with pytest.raises(EvidenceError) as caught:
        real.judge(**expected)
    assert (type(caught.value), caught.value.step) == (error, step)


def check_each_bit(real: Real) -> None:
    """None of a quote is unauthenticated; nor are the zeros after it, but for their number."""
    endorsements = real.endorsements()
    for position in range(8 * len(real.quote)):
        changed = bytearray(real.quote)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises((EvidenceError, InputError)):
            real.but(quote=bytes(changed)).judge(endorsements=endorsements)


def signed(data: bytes) -> tuple[Quote, PckChain, QuotingEnclave]:
    """A quote whose signatures are good up to Intel's root, whatever else is to be said of it."""
    quote, root = Quote.parse(data), shipped_root().der
    chain = pck_chain(quote, root)
    enclave = quoting_enclave(quote, chain)
    check_quote(quote, enclave)
    return quote, chain, enclave
