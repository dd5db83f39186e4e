"""Attestation results as EAR tokens: JWT, EdDSA by the instance key (draft-ietf-rats-ear-04; AR4SI trust vector).

A token says what this custodian verified and under which policy it admitted the workload. It carries no secret and
opens nothing here; relying parties check it against `GET /v1/jwks`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import jwt

from casemate.claims import VerifiedClaims
from casemate.custodian.settings import VERSION
from casemate.custodian.signing import SigningKey
from casemate.platforms import SIMULATED_PLATFORMS
from casemate.wire.binding import key_bytes
from casemate.wire.fields import b64u_encode

__all__ = ["EAR_PROFILE", "issue", "jwk"]

EAR_PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
"""draft-ietf-rats-ear-04, section 3."""

# AR4SI, section 2.3: 2 affirms, 32 warns, 0 claims nothing.
_AFFIRMING: Final = 2
_WARNING: Final = 32
_NO_CLAIM: Final = 0


def issue(
    instance: SigningKey,
    *,
    custodian: str,
    claims: VerifiedClaims,
    nonce: bytes,
    signing_key: str,
    manifest: str,
    policy_version: str,
    service: str,
    now: datetime,
    seconds: int,
) -> str:
    """A token for an admitted workload, valid for `seconds`. Digests as text, `service` as `acme/records#api`."""
    issued = int(now.timestamp())
    payload = {
        "eat_profile": EAR_PROFILE,
        "iss": custodian,
        "iat": issued,
        "exp": issued + seconds,
        "eat_nonce": b64u_encode(nonce),
        "cnf": {"jwk": _public(signing_key)},
        "ear_verifier_id": {"developer": "https://casemate.dev", "build": f"casemate {VERSION}"},
        "submods": {"workload": _appraisal(claims, manifest, policy_version, service)},
    }
    return jwt.encode(payload, instance.key, algorithm="EdDSA", headers={"kid": instance.text, "typ": "eat+jwt"})


def jwk(key: str) -> dict[str, str]:
    """The JSON Web Key (RFC 8037) of an `ed25519:…` key, as in a key set."""
    return {**_public(key), "kid": key, "use": "sig", "alg": "EdDSA"}


def _public(key: str) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64u_encode(key_bytes(key))}


def _appraisal(claims: VerifiedClaims, manifest: str, policy_version: str, service: str) -> dict[str, Any]:
    simulated = claims.platform in SIMULATED_PLATFORMS
    return {
        # Simulated hardware protects nothing, and whoever reads the token must see it.
        "ear_status": "warning" if simulated else "affirming",
        "ear_trustworthiness_vector": {
            "instance-identity": _AFFIRMING,
            "configuration": _AFFIRMING,
            "executables": _AFFIRMING,
            "file-system": _AFFIRMING,
            "hardware": _WARNING if simulated else _AFFIRMING,
            "runtime-opaque": _WARNING if simulated else _AFFIRMING,
            "storage-opaque": _NO_CLAIM,
            "sourced-data": _NO_CLAIM,
        },
        "ear_appraisal_policy_ids": [policy_version],
        "ear_attester_claims": {
            "platform": claims.platform,
            "product": claims.product,
            "runtime_measurement": claims.runtime_measurement,
            "manifest": manifest,
            "service": service,
            "tcb": dict(claims.tcb),
        },
    }
