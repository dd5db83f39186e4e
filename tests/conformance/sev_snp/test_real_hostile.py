"""Genuine parts put together as they do not belong, or changed: refused, each for its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from casemate.errors import EndorsementError, EvidenceError, SignatureError


def _vcek_flipped(vectors: Any, position: int, bits: int) -> bytes:
    certificate = bytearray(vectors.read("sev/vcek_milan.der"))
    certificate[position] ^= bits
    return bytes(certificate)


def _another_line(vectors: Any, mine: str, ask: str, ark: str) -> Any:
    return vectors.evidence(mine).with_certificates(ask=vectors.line(ask)["ask"], ark=vectors.line(ark)["ark"])


HOSTILE: dict[str, tuple[type[EvidenceError], str, Callable[[Any], Any]]] = {
    "host-data-changed": (SignatureError, "signature", lambda v: v.evidence("milan-v2").flipped(0xC0, 1)),
    "report-byte-21": (SignatureError, "signature", lambda v: v.evidence("milan-v2").flipped(21, 0x80)),
    "report-byte-42": (SignatureError, "signature", lambda v: v.evidence("milan-v2-trustee").flipped(42, 1)),
    "reported-tcb-changed": (SignatureError, "signature", lambda v: v.evidence("milan-v2-trustee").flipped(384, 1)),
    "debug-taken-away": (SignatureError, "signature", lambda v: v.evidence("milan-v2-debug").flipped(10, 0x08)),
    "signature-changed": (SignatureError, "signature", lambda v: v.evidence("genoa-v3").flipped(0x2A0, 1)),
    "vcek-byte-40": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2").with_certificates(vcek=_vcek_flipped(v, 40, 0xFF)),
    ),
    "vcek-last-byte": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2").with_certificates(vcek=_vcek_flipped(v, -1, 0xFF)),
    ),
    "vcek-by-somebody-else-old-encoding": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2-trustee").with_certificates(vcek=v.read("trustee/test-vcek-invalid-legacy.der")),
    ),
    "vcek-by-somebody-else-new-encoding": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2-trustee").with_certificates(vcek=v.read("trustee/test-vcek-invalid-new.der")),
    ),
    "vcek-of-another-machine": (
        SignatureError,
        "signature",
        lambda v: v.evidence("milan-v2").with_certificates(vcek=v.read("trustee/test-vcek.der")),
    ),
    "vcek-of-another-line": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2").with_certificates(vcek=v.evidence("genoa-v3").certificates["vcek"]),
    ),
    "turin-vcek-for-milan": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2").with_certificates(vcek=v.read("sev/vcek_turin.der")),
    ),
    "turin-chain-for-a-milan-report": (
        SignatureError,
        "signature",
        lambda v: replace(
            v.evidence("milan-v2").with_certificates(**v.line("turin"), vcek=v.read("sev/vcek_turin.der")),
            at=datetime(2025, 6, 1, tzinfo=UTC),
        ),
    ),
    "ask-of-milan-under-ark-of-genoa": (
        EndorsementError,
        "root",
        lambda v: _another_line(v, "milan-v2", "milan", "genoa"),
    ),
    "ask-of-genoa-under-ark-of-genoa": (
        EndorsementError,
        "chain",
        lambda v: _another_line(v, "milan-v2", "genoa", "genoa"),
    ),
    "asvk-for-a-vcek": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v2").with_certificates(ask=v.line("milan", vlek=True)["ask"]),
    ),
    "ask-for-a-vlek": (
        EndorsementError,
        "chain",
        lambda v: v.evidence("milan-v3-vlek").with_certificates(ask=v.line("milan")["ask"]),
    ),
    "vcek-for-a-report-that-a-vlek-signed": (
        EndorsementError,
        "certificates",
        lambda v: replace(v.evidence("milan-v3-vlek"), certificates=v.evidence("milan-v2").certificates),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_parts_that_do_not_belong_together_are_refused(vectors: Any, name: str) -> None:
    error, step, made = HOSTILE[name]
    with pytest.raises(EvidenceError) as caught:
        made(vectors).judge()
    assert (type(caught.value), caught.value.step) == (error, f"evidence.{step}")


@pytest.mark.parametrize("name", ["milan-v2", "milan-v3-vlek", "genoa-v3"])
def test_no_byte_of_a_real_report_is_irrelevant(vectors: Any, name: str) -> None:
    sound = vectors.evidence(name)
    for position in range(len(sound.report)):
        with pytest.raises(EvidenceError):
            sound.flipped(position, 0x10).judge()
