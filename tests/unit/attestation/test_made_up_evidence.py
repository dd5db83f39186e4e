"""Every named piece of made-up evidence: what is right verifies, what is wrong is refused for exactly its reason."""

from __future__ import annotations

import pytest

from casemate.errors import EvidenceError
from casemate.testing.amd.cases import RIGHT, WRONG, base_of, case


@pytest.mark.parametrize("name", RIGHT)
def test_right_evidence_gives_the_claims_that_were_made(name: str) -> None:
    given = case(name)
    claims = given.judge()
    ((root, number),) = claims.seen.items()
    assert given.claims == {
        "platform": claims.platform,
        "product": claims.product,
        "measurement": claims.runtime_measurement.removeprefix("sha384:"),
        "chip_id": claims.hardware.hex(),
        "tcb": {name: version for name, version in claims.tcb.items() if name != "guest"},
        "vmpl": claims.details["vmpl"],
        "crl_number": number,
    }
    assert (claims.report_data, claims.manifest) == (given.expected.report_data, given.expected.manifest)
    assert claims.verified_at == given.at
    assert (claims.tcb["guest"], claims.values["guest_policy"]) == (3, "0x30137")
    of_machine = {name: claims.values[name] for name in ("smt", "tsme", "ecc", "alias_check", "tio")}
    if name != "platform-info-of-turin-firmware":
        assert of_machine == {"smt": "on", "tsme": "off", "ecc": "on", "alias_check": "on", "tio": "off"}
    assert {root} == given.roots.simulated


@pytest.mark.parametrize("name", WRONG)
def test_wrong_evidence_is_refused_for_its_reason(name: str) -> None:
    given = case(name)
    with pytest.raises(EvidenceError) as caught:
        given.judge()
    assert (type(caught.value), caught.value.step) == (given.error, given.step)


@pytest.mark.parametrize("name", WRONG)
def test_what_a_wrong_one_was_made_of_is_right(name: str) -> None:
    """Nothing but the one thing is wrong: a case whose base were refused would prove nothing."""
    assert base_of(name).judge()
