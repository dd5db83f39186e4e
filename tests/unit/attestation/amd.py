"""A made-up AMD in the place of the real one, for tests of certificates over its reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp import chain, wanted
from casemate.attestation.platforms.sev_snp.table import ARK, parse_certificate_table
from casemate.custodian.keys.tls import certificate_over, public_key_of
from casemate.testing.amd.cases import Case, build
from casemate.testing.amd.certificates import RevokedEntry
from casemate.testing.amd.plan import AT, FLOOR, right
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.ra_tls import RaTls, key_digest

__all__ = ["MADE_FOR", "over_a_report", "revoking", "trusting"]

MADE_FOR = "sha256:" + "a" * 64
"""The manifest of `over_a_report`."""


@contextmanager
def trusting(given: Case) -> Iterator[None]:
    """The root of that evidence counts as the shipped one."""
    root = Certificate.parse(parse_certificate_table(given.endorsements.certificates)[ARK], "root")
    known = {root.subject: root}
    chain._verified_chain.cache_clear()
    with patch.object(chain, "shipped_roots", lambda: known), patch.object(wanted, "shipped_roots", lambda: known):
        yield
    chain._verified_chain.cache_clear()


def over_a_report(custodian: str, *, lists: bool) -> tuple[bytes, Case]:
    """A certificate (DER), for a day from `AT`, of a trust domain on SEV-SNP under this custodian, with revocation
    lists in it or, as shields make it, without; and its evidence, with lists.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    public = public_key_of(key)
    names = {"custodian": custodian, "manifest": MADE_FOR}
    names |= {"signing_key": "ed25519:" + "A" * 43, "hpke_key": "x25519:" + "A" * 43}
    data = report_data(Purpose.RA_TLS, nonce=key_digest(public), **names)
    plan = right()
    fields = {**plan.report.fields, "report_data": data, "host_data": digest_bytes(MADE_FOR)}
    given = build(replace(plan, report=replace(plan.report, fields=fields)))
    carries = given.endorsements if lists else given.endorsements.model_copy(update={"crls": []})
    carried = RaTls(casemate_ra_tls=1, evidence=given.evidence, endorsements=carries, **names)
    made = certificate_over(key, carried, start=AT, end=AT + timedelta(hours=24))
    return made.public_bytes(Encoding.DER), given


def revoking() -> bytes:
    """A list of the same authority that is newer, and revokes whoever certifies its chips."""
    plan = right()
    (listed,) = plan.lists
    return replace(listed, number=FLOOR + 1, revoked=(RevokedEntry(plan.intermediate.serial),)).issue()
