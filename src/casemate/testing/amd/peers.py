"""TLS certificates over reports of a made-up AMD, as shields make them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.custodian.keys.tls import certificate_over, public_key_of
from casemate.testing.amd.cases import Case, build
from casemate.testing.amd.certificates import RevokedEntry
from casemate.testing.amd.plan import AT, FLOOR, right
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.ra_tls import RaTls, key_digest

__all__ = ["MADE_FOR", "certificate_with", "over_a_report", "report_over", "revoking"]

MADE_FOR: Final = "sha256:" + "a" * 64
"""The manifest of `over_a_report`."""

_DAY: Final = timedelta(hours=24)


def over_a_report(custodian: str, *, lists: bool) -> tuple[bytes, Case]:
    """A certificate (DER), for a day from `AT`, of a trust domain on SEV-SNP under this custodian, with revocation
    lists in it or, as shields make it, without; and its evidence, with lists.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    given = report_over(key, custodian)
    carries = given.endorsements if lists else given.endorsements.model_copy(update={"crls": []})
    return certificate_with(key, custodian, given.evidence, carries), given


def report_over(key: ec.EllipticCurvePrivateKey, custodian: str) -> Case:
    """The evidence for a certificate of this key."""
    data = report_data(Purpose.RA_TLS, nonce=key_digest(public_key_of(key)), **_names(custodian))
    plan = right()
    fields = {**plan.report.fields, "report_data": data, "host_data": digest_bytes(MADE_FOR)}
    return build(replace(plan, report=replace(plan.report, fields=fields)))


def certificate_with(
    key: ec.EllipticCurvePrivateKey, custodian: str, evidence: Evidence, carries: Endorsements
) -> bytes:
    """The certificate itself."""
    carried = RaTls(casemate_ra_tls=1, evidence=evidence, endorsements=carries, **_names(custodian))
    return certificate_over(key, carried, start=AT, end=AT + _DAY).public_bytes(Encoding.DER)


def revoking() -> bytes:
    """A list of the same authority that is newer, and revokes whoever certifies its chips."""
    plan = right()
    (listed,) = plan.lists
    return replace(listed, number=FLOOR + 1, revoked=(RevokedEntry(plan.intermediate.serial),)).issue()


def _names(custodian: str) -> dict[str, Any]:
    keys = {"signing_key": "ed25519:" + "A" * 43, "hpke_key": "x25519:" + "A" * 43}
    return {"custodian": custodian, "manifest": MADE_FOR, **keys}
