"""Attestation results as EAR tokens (spec/ear-profile.md): JWT, EdDSA by the instance key.

A token says what this custodian verified and under which policy it admitted the workload. It carries no secret and
opens nothing here; relying parties check it against `GET /v1/jwks`, or against the certificate in its header.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from casemate.claims import VerifiedClaims
from casemate.custodian.settings import VERSION
from casemate.custodian.signing import SigningKey
from casemate.custodian.trust_vector import trust_vector
from casemate.policy.model import Asked
from casemate.wire.results import (
    EAR_PROFILE,
    RESULT_PROFILE,
    AttestationResult,
    TokenHeader,
    public_key,
    sign_result,
    status_of,
)

__all__ = ["Admitted", "issue", "jwk"]

_DEVELOPER: Final = "https://casemate.dev"


@dataclass(frozen=True)
class Admitted:
    """A workload that a policy admitted: digests as text, `service` as `acme/records#api`; `asked` is what the policy
    says of the platform that it runs on, `signing_key` the attested key.
    """

    claims: VerifiedClaims
    asked: Asked
    nonce: bytes
    signing_key: str
    manifest: str
    policy_version: str
    service: str


def issue(instance: SigningKey, admitted: Admitted, *, custodian: str, now: datetime, seconds: int) -> str:
    """A token that is valid for `seconds`, and not beyond the signer's certificate: nobody could verify it then."""
    issued = int(now.timestamp())
    result = AttestationResult.model_validate(
        {
            "eat_profile": EAR_PROFILE,
            "iss": custodian,
            "iat": issued,
            "exp": min(issued + seconds, int(instance.not_after)),
            "eat_nonce": admitted.nonce,
            "cnf": {"jwk": public_key(admitted.signing_key)},
            "ear_verifier_id": {"developer": _DEVELOPER, "build": f"casemate {VERSION}"},
            "submods": {"workload": _appraisal(admitted, now)},
        }
    )
    header = TokenHeader(alg="EdDSA", typ="eat+jwt", kid=instance.text, casemate_instance=instance.header)
    return sign_result(result, instance.key, header)


def jwk(key: str, certificate: str) -> dict[str, str]:
    """The JSON Web Key (RFC 8037) of an `ed25519:…` key, as in a key set, with what tokens that it signed have beside
    them; other members than its own are ignored (RFC 7517, section 4).
    """
    return {**public_key(key), "kid": key, "use": "sig", "alg": "EdDSA", "casemate_instance": certificate}


def _appraisal(admitted: Admitted, now: datetime) -> dict[str, Any]:
    claims = admitted.claims
    vector, warnings = trust_vector(claims, admitted.asked, now)
    return {
        "eat_profile": RESULT_PROFILE,
        "ear_status": status_of(vector),
        "ear_trustworthiness_vector": vector,
        "ear_appraisal_policy_ids": [admitted.policy_version],
        "ear_attester_claims": {
            "platform": claims.platform,
            "product": claims.product,
            "runtime_measurement": claims.runtime_measurement,
            "manifest": admitted.manifest,
            "service": admitted.service,
            "tcb": dict(claims.tcb),
            "tcb_status": claims.tcb_status,
            "advisories": list(claims.advisories),
            # Others may say which machine it is; a policy that asks for that has told its readers.
            "values": {name: claims.values[name] for name in sorted(admitted.asked.require) if name in claims.values},
            "lacks": sorted(claims.lacks),
        },
        "ear_verifier_claims": {"warnings": warnings},
    }
