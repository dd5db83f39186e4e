from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import SHIPPED_ROOTS, Expected, Unasked
from casemate.attestation.reading import MAX_FILE_BYTES, evidence_in
from casemate.attestation.verify import verify as verified
from casemate.claims import VerifiedClaims
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit, note
from casemate.errors import TooLargeError, UsageError
from casemate.wire.binding import digest_bytes
from casemate.wire.fields import parse_time

_MOST_FILES: Final = 64
_PLATFORMS: Final = ", ".join(known.platform for known in FORMATS.values())


def verify(
    evidence: Annotated[Path, typer.Option(help="The evidence: raw, as hex, as base64, or in our JSON; - for input.")],
    platform: Annotated[str | None, typer.Option(help=f"Of which platform it must be: {_PLATFORMS}.")] = None,
    endorsements: Annotated[
        list[Path] | None,
        typer.Option(help="Certificates and revocation lists, PEM or DER, a certificate table, or a folder of them."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="The time to verify at, as 2026-01-31T12:00:00Z; else now.")] = None,
    report_data: Annotated[str | None, typer.Option(help="The report data that it must have, in hex.")] = None,
    manifest: Annotated[str | None, typer.Option(help="The launch manifest that it must be for, as sha256:…")] = None,
    max_vmpl: Annotated[int, typer.Option(help="SEV-SNP: the least privileged level that may have asked.")] = 0,
    without_crl: Annotated[
        str | None, typer.Option(help="A reason to do without revocation lists, for evidence in archives.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify evidence against the vendor's roots, without a network: its claims, or the step that it fails at.

    What is not given is not compared, and the result says so: genuine evidence may be of another workload, or old.
    Example: `casemate evidence verify --evidence report.bin --endorsements vcek.pem --endorsements crl.der`
    """
    time = datetime.now(UTC) if at is None else parse_time(at)
    found = evidence_in(read_bytes(evidence), platform=platform)
    files = list(_files(endorsements or []))
    expected = Expected(
        report_data=Unasked.UNASKED if report_data is None else _hexadecimal(report_data),
        manifest=Unasked.UNASKED if manifest is None else digest_bytes(manifest),
        max_vmpl=max_vmpl,
        excused=frozenset({"crl"} if without_crl else ()),
    )
    claims = verified(
        found,
        FORMATS[found.format].endorsements(found.report, files),
        roots=SHIPPED_ROOTS,
        at=time,
        expected=expected,
    )
    unasked = [name for name in ("report_data", "manifest") if isinstance(getattr(expected, name), Unasked)]
    result = {**_facts(claims), "not_compared": unasked, "without_crl": without_crl if claims.lacks else None}
    emit(result, as_json=as_json, text="\n".join(f"{name}: {_text(value)}" for name, value in result.items() if value))
    if unasked and not as_json:
        note(f"Genuine, and of {claims.platform}. Not compared with anything: {', '.join(unasked)}.")


def _files(paths: list[Path]) -> Iterator[bytes]:
    named = [inner for path in paths for inner in (sorted(path.iterdir()) if path.is_dir() else [path])]
    if len(named) > _MOST_FILES:
        raise UsageError(f"{len(named)} files of endorsements", expected=f"≤ {_MOST_FILES}")
    for path in named:
        data = read_bytes(path)
        if len(data) > MAX_FILE_BYTES:
            raise TooLargeError(f"{path} is too large", expected=f"≤ {MAX_FILE_BYTES} bytes")
        yield data


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UsageError("report data is written in hex", got=text[:80]) from error


def _facts(claims: VerifiedClaims) -> dict[str, Any]:
    return {
        "platform": claims.platform,
        "product": claims.product,
        "runtime_measurement": claims.runtime_measurement,
        "manifest": f"sha256:{claims.manifest.hex()}" if claims.manifest else None,
        "report_data": claims.report_data.hex(),
        "hardware": claims.hardware.hex(),
        "tcb": dict(claims.tcb),
        "tcb_status": claims.tcb_status,
        "advisories": list(claims.advisories),
        "values": dict(claims.values),
        "lacks": sorted(claims.lacks),
        "verified_at": claims.verified_at.isoformat(),
        "seen": dict(claims.seen),
        "details": dict(claims.details),
    }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items() if inner is not None)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
