from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import SHIPPED_ROOTS, Expected, Unasked
from casemate.attestation.reading import MAX_FILE_BYTES, endorsements_in, evidence_in
from casemate.attestation.verify import verify as verified
from casemate.claims import VerifiedClaims
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit, note
from casemate.cli.endorsements._cache import CacheFolder, opened
from casemate.cli.evidence._options import At, digest_given, hexadecimal, one_of, reason_given, time_given
from casemate.cli.evidence._service import service_given
from casemate.cli.evidence._shown import lines, said
from casemate.errors import EndorsementError, EvidenceRejectedError, TooLargeError, UsageError
from casemate.platforms import LACKS
from casemate.policy.model import PolicyDocument, Service
from casemate.policy.platform_steps import judge_platform
from casemate.policy.workloads import check_admitted
from casemate.wire.evidence import NO_ENDORSEMENTS, Endorsements, Evidence
from casemate.wire.policies import StepRecord

_MOST_FILES: Final = 64
_ENDORSEMENTS: Final = (
    "Certificates and revocation lists, PEM or DER, a certificate table, Intel's documents or collateral in JSON, or "
    "a folder of them; beside those that our JSON has with the evidence."
)
_NONCE: Final = "The nonce that was asked with, in hex: the nonce of a document, or the start of report data."
_PLATFORMS: Final = [known.platform for known in FORMATS.values()]
_LISTED: Final = ", ".join(_PLATFORMS)
_REPORT_DATA: Final = 64
_VMPL: Final = "SEV-SNP: the least privileged level that may have asked."
_LAST_VMPL: Final = 3
"""Of a guest's privilege levels (SEV-SNP ABI, "VMPL")."""


def verify(
    evidence: Annotated[Path, typer.Option(help="The evidence: raw, as hex, as base64, or in our JSON; - for input.")],
    platform: Annotated[str | None, typer.Option(help=f"Of which platform it must be: {_LISTED}.")] = None,
    endorsements: Annotated[list[Path] | None, typer.Option(help=_ENDORSEMENTS)] = None,
    at: At = None,
    nonce: Annotated[str | None, typer.Option(help=_NONCE)] = None,
    report_data: Annotated[str | None, typer.Option(help="The report data that it must have, in hex.")] = None,
    manifest: Annotated[str | None, typer.Option(help="The launch manifest that it must be for, as sha256:…")] = None,
    policy: Annotated[
        str | None, typer.Option(help="A policy file and its service (records.yaml#api) that must admit the platform.")
    ] = None,
    machine_only: Annotated[
        bool, typer.Option("--machine-only", help="Judge the machine by the policy, whatever was started on it.")
    ] = False,
    max_vmpl: Annotated[int, typer.Option(min=0, max=_LAST_VMPL, help=_VMPL)] = 0,
    without_crl: Annotated[str | None, typer.Option(help="A reason to do without lists, as for archives.")] = None,
    without_authority: Annotated[
        str | None, typer.Option(help="TPM: a reason to do without a certificate of its key, which may be anybody's.")
    ] = None,
    cache: CacheFolder = None,
    as_json: Json = False,
) -> None:
    """Verify evidence against the vendor's roots, without a network: its claims, or the step that it fails at.

    What the cache of endorsements has for it counts as well; of two the newer one.

    What is not given is not compared, and the result says so: genuine evidence may be of another workload, or old.
    Example: `casemate evidence verify --evidence report.bin --endorsements folder --policy records.yaml#api`
    """
    time = time_given(at)
    asked_with = None if nonce is None else hexadecimal("--nonce", nonce)
    reasons = {"crl": without_crl, "authority": without_authority}
    without = {lack: reason_given(f"--without-{lack}", reason) for lack, reason in reasons.items()}
    judged_by = _judged_by(policy, machine_only=machine_only)
    manifest = _manifest_of(judged_by) if manifest is None and not machine_only else manifest
    expected = Expected(
        report_data=Unasked.UNASKED if report_data is None else hexadecimal("--report-data", report_data),
        manifest=Unasked.UNASKED if manifest is None else digest_given("--manifest", manifest),
        max_vmpl=max_vmpl,
        excused=_excused(without, judged=judged_by is not None),
    )
    found, came = _read(evidence, one_of("--platform", platform, _PLATFORMS), endorsements or [])
    claims = _verified(found, opened(cache).completed(found, came), time, expected)
    if asked_with is not None:
        _check_nonce(claims, asked_with)
    # A nonce is in the report data, or stands for them.
    given = {"report_data": report_data or nonce, "manifest": manifest, "policy": policy}
    unasked = [name for name, value in given.items() if value is None]
    steps = [] if judged_by is None else _judged(*judged_by, claims, time)
    result = {
        **claims.to_object(),
        "policy": [step.to_object() for step in steps],
        "not_compared": unasked,
        **{f"without_{lack}": reason if lack in claims.lacks else None for lack, reason in without.items()},
    }
    told = {**result, "policy": [step.step for step in steps]}
    emit(result, as_json=as_json, text="\n".join(lines(said(told))))
    if unasked and not as_json:
        note(f"Genuine, and of {claims.platform}. Not compared with anything: {', '.join(unasked)}.")


def _read(evidence: Path, platform: str | None, named: list[Path]) -> tuple[Evidence, Endorsements]:
    """The evidence, and what lies beside it in our JSON together with the files that are named."""
    data = read_bytes(evidence)
    found = evidence_in(data, platform=platform)
    beside = endorsements_in(data)
    if not named:
        return found, beside or NO_ENDORSEMENTS
    brought = [] if beside is None else [beside.certificates, *beside.crls, *beside.documents]
    files = [*_files(named), *(part for part in brought if part)]
    return found, FORMATS[found.format].endorsements(found.report, files)


def _verified(found: Evidence, with_cache: Endorsements, at: datetime, expected: Expected) -> VerifiedClaims:
    try:
        return verified(found, with_cache, roots=SHIPPED_ROOTS, at=at, expected=expected)
    except EndorsementError as error:
        if error.remedy is None and with_cache == NO_ENDORSEMENTS:
            error.remedy = "name endorsements (--endorsements), or fetch: casemate endorsements fetch --evidence FILE"
        raise


def _judged_by(text: str | None, *, machine_only: bool) -> tuple[PolicyDocument, Service] | None:
    if text is None:
        if machine_only:
            raise UsageError("--machine-only is about a policy", remedy="name it with --policy FILE#SERVICE")
        return None
    return service_given("--policy", text)


def _manifest_of(judged_by: tuple[PolicyDocument, Service] | None) -> str | None:
    """The one that the service admits, where it is one."""
    workload = None if judged_by is None else judged_by[1].workload
    return workload if isinstance(workload, str) else None


def _excused(without: Mapping[str, str | None], *, judged: bool) -> frozenset[str]:
    """What may be missing: what the policy judges then, or what a person gave a reason for."""
    reasoned = frozenset(lack for lack, reason in without.items() if reason)
    return LACKS | reasoned if judged else reasoned


def _check_nonce(claims: VerifiedClaims, nonce: bytes) -> None:
    """A platform with a nonce of its own says it in `details`; elsewhere it is what report data begin with, of which a
    TPM has the SHA-256.
    """
    own = claims.details.get("nonce")
    got = bytes.fromhex(own) if isinstance(own, str) else claims.report_data
    filled = nonce.ljust(_REPORT_DATA, b"\0")
    hashed = hashlib.sha256(filled).digest() if claims.platform == "tpm" else filled
    if got not in (nonce, filled, hashed):
        raise EvidenceRejectedError(
            "made for another nonce", step="evidence.nonce", expected=nonce.hex(), got=got.hex() or "none"
        )


def _judged(document: PolicyDocument, service: Service, claims: VerifiedClaims, at: datetime) -> list[StepRecord]:
    steps, remedy = judge_platform(document, service, claims, statements=(), now=at)
    check_admitted(document, service, steps, remedy)
    return list(steps)


def _files(paths: list[Path]) -> Iterator[bytes]:
    named = [inner for path in paths for inner in (sorted(path.iterdir()) if path.is_dir() else [path])]
    if len(named) > _MOST_FILES:
        raise UsageError(f"{len(named)} files of endorsements", expected=f"≤ {_MOST_FILES}")
    for path in named:
        data = read_bytes(path)
        if not data:
            raise UsageError(f"{path} is empty", remedy="fetch it again, or leave it out")
        if len(data) > MAX_FILE_BYTES:
            raise TooLargeError(f"{path} is too large", expected=f"≤ {MAX_FILE_BYTES} bytes")
        yield data
