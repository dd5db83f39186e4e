"""A chip whose vendor is made up, with the vendor's root in the place of the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.sev_snp import chain, wanted
from casemate.attestation.platforms.sev_snp.table import ARK, parse_certificate_table
from casemate.endorsements.cache import Cache
from casemate.testing.amd.cases import Case, case


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Case:
    given = case("milan-vcek-v5")
    root = Certificate.parse(parse_certificate_table(given.endorsements.certificates)[ARK], "root")
    trust(monkeypatch, root)
    return given


def trust(monkeypatch: pytest.MonkeyPatch, root: Certificate) -> None:
    def shipped() -> dict[Any, Certificate]:
        return {root.subject: root}

    for module in (chain, wanted):
        monkeypatch.setattr(module, "shipped_roots", shipped)
    chain._verified_chain.cache_clear()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")
