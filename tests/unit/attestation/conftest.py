"""Made-up evidence of casemate.testing.amd, that tests change."""

from __future__ import annotations

import pytest

from casemate.testing.amd.cases import Case, case


@pytest.fixture(scope="session", params=["milan-vcek-v5", "genoa-vcek-v3", "turin-vcek-v5", "milan-vlek-v2"])
def right(request: pytest.FixtureRequest) -> Case:
    """Evidence that verifies, of each layout that there is."""
    return case(request.param)


@pytest.fixture(scope="session")
def milan() -> Case:
    return case("milan-vcek-v5")
