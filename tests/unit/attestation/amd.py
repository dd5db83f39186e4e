"""A made-up AMD in the place of the real one, for tests of certificates over its reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp import chain, wanted
from casemate.attestation.platforms.sev_snp.table import ARK, parse_certificate_table
from casemate.testing.amd.cases import Case

__all__ = ["taken_for_amds", "trusting"]


@contextmanager
def trusting(given: Case) -> Iterator[None]:
    """The root of that evidence counts as the shipped one."""
    with taken_for_amds(parse_certificate_table(given.endorsements.certificates)[ARK]):
        yield


@contextmanager
def taken_for_amds(der: bytes) -> Iterator[None]:
    """This root (DER) counts as the shipped one."""
    root = Certificate.parse(der, "root")
    known = {root.subject: root}
    chain._verified_chain.cache_clear()
    with patch.object(chain, "shipped_roots", lambda: known), patch.object(wanted, "shipped_roots", lambda: known):
        yield
    chain._verified_chain.cache_clear()
