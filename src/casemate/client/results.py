"""An attestation result, believed because a pinned custodian signed it (spec/ear-profile.md, "Verifying"). Pure.

What is left to the caller: that whoever shows the token holds the key that it confirms (`cnf`), and that service, nonce
and status are those that the caller wants.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from casemate.client.verification import LONGEST_INSTANCE, instance_certificate
from casemate.errors import EvidenceRejectedError, InputError, NotGenuineError, SignatureError
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import CustodianGenesis, InstanceCertificate
from casemate.wire.results import Appraisal, AttestationResult, Token, split_token, status_of

__all__ = ["SKEW", "VerifiedResult", "WantedResult", "verify_result"]

SKEW: Final = timedelta(minutes=5)
"""By how much the custodian's clock may be ahead of ours."""


@dataclass(frozen=True)
class WantedResult:
    """What a result must be of; None is not compared. `affirming`: no warning will do."""

    nonce: bytes | None = None
    service: str | None = None
    affirming: bool = False


@dataclass(frozen=True)
class VerifiedResult:
    """`key` (`ed25519:…`) is the one that the workload attested: whoever shows the token must prove to hold it."""

    result: AttestationResult
    key: str

    @property
    def workload(self) -> Appraisal:
        return self.result.submods.workload


def verify_result(token: str, genesis: CustodianGenesis, *, at: datetime, wanted: WantedResult) -> VerifiedResult:
    """`NotGenuineError` for what the pinned custodian did not say, `EvidenceRejectedError` for what it did say, but not
    for now, or not for this.
    """
    try:
        # 1. The form: one header, one algorithm.
        taken = split_token(token.strip())
        # 2. The certificate in the header, under the pinned identity key; the token names its key.
        instance = instance_certificate(taken.header.casemate_instance, genesis)
        _check_signer(taken, instance)
        # 3. The signature.
        taken.check_signature(instance.key)
        # 4. The payload, strictly; only now is it read.
        result = taken.result()
    except (SignatureError, InputError) as error:
        raise NotGenuineError(
            f"the token is not from the pinned custodian: {error.message}",
            step=error.step,
            expected=genesis.identity(),
            remedy="name the custodian that issued it with --custodian",
        ) from error
    # 5. The signer speaks for this custodian, and could when it signed.
    _check_issuer(result, instance, genesis)
    # 6. The status is no better than what it sums up.
    _check_status(result)
    # 7. The time.
    _check_time(result, at)
    # 8. What the caller wants.
    _check_wanted(result, wanted)
    return VerifiedResult(result, signing_key_text(result.cnf.jwk.x))


def _check_signer(taken: Token, instance: InstanceCertificate) -> None:
    if taken.header.kid != instance.key:
        raise SignatureError("the token names another key than its certificate", step="result.key")
    if instance.not_after - instance.not_before > LONGEST_INSTANCE:
        raise SignatureError("the instance certificate lives too long", step="instance.times")


def _check_issuer(result: AttestationResult, instance: InstanceCertificate, genesis: CustodianGenesis) -> None:
    if result.iss != genesis.identity():
        raise NotGenuineError(
            "the token is of another custodian", step="result.issuer", expected=genesis.identity(), got=result.iss
        )
    start, end = instance.not_before.timestamp(), instance.not_after.timestamp()
    if not start <= result.iat <= result.exp <= end:
        raise NotGenuineError(
            "the token was made outside of its signer's certificate",
            step="result.issued",
            expected=f"{instance.not_before:%Y-%m-%dT%H:%M:%SZ} to {instance.not_after:%Y-%m-%dT%H:%M:%SZ}",
            got=f"{_text(result.iat)} to {_text(result.exp)}",
        )


def _check_status(result: AttestationResult) -> None:
    worst = status_of(result.submods.workload.ear_trustworthiness_vector.to_object())
    if result.submods.workload.ear_status != worst:
        raise NotGenuineError(
            "the status is not that of its vector",
            step="result.vector",
            expected=worst,
            got=result.submods.workload.ear_status,
        )


def _check_time(result: AttestationResult, at: datetime) -> None:
    if result.iat > (at + SKEW).timestamp():
        raise EvidenceRejectedError(
            "the result is of the future (is this machine's clock right?)", step="result.time", got=_text(result.iat)
        )
    if at.timestamp() >= result.exp:
        raise EvidenceRejectedError(
            "the result has ended",
            step="result.time",
            expected=f"before {_text(result.exp)}",
            got=f"{at:%Y-%m-%dT%H:%M:%SZ}",
            remedy="ask the workload for a newer one: it gets one whenever it attests",
        )


def _check_wanted(result: AttestationResult, wanted: WantedResult) -> None:
    workload = result.submods.workload
    if wanted.nonce is not None and not hmac.compare_digest(wanted.nonce, result.eat_nonce):
        raise EvidenceRejectedError(
            "made for another nonce", step="result.nonce", expected=wanted.nonce.hex(), got=result.eat_nonce.hex()
        )
    service = workload.ear_attester_claims.service
    if wanted.service is not None and wanted.service != service:
        raise EvidenceRejectedError(
            "the result is of another service", step="result.service", expected=wanted.service, got=service
        )
    if wanted.affirming and workload.ear_status != "affirming":
        reasons = workload.ear_verifier_claims.warnings
        raise EvidenceRejectedError(
            f"the custodian does not affirm it: {'; '.join(reasons.values()) or 'it gives no reason'}",
            step="result.status",
            expected="affirming",
            got=workload.ear_status,
        )


def _text(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
