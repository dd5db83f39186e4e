"""The release decision: every step holds for the right workload, and is the reason for its own kind of wrong one."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from casemate.policy.decide import STEPS, Decision, decide

from .conftest import tcb

OTHER = "sha256:" + "9" * 64


def judge(world: Any, **changes: Any) -> Decision:
    parts = {
        "claims": world.claims(),
        "manifest": world.parsed_manifest(),
        "custodian": world.custodian,
        "anchor": "insecure_file",
        "genesis": world.genesis,
        "document": world.parsed(),
        "statements": (),
        "now": world.now,
    } | changes
    return decide(parts.pop("claims"), parts.pop("manifest"), **parts)


def assert_denied(decision: Decision, step: str, *, expected: str, got: str, remedy: str) -> None:
    assert not decision.admitted
    assert decision.service is None
    assert decision.failed is not None
    assert (decision.failed.step, decision.failed.held) == (step, False)
    assert (decision.failed.expected, decision.failed.got) == (expected, got)
    assert decision.remedy is not None
    assert remedy in decision.remedy
    assert tuple(record.step for record in decision.steps) == STEPS
    # It is the first that does not hold.
    assert all(record.held for record in decision.steps[: STEPS.index(step)])


def test_the_right_workload_is_admitted_and_every_step_recorded(world: Any) -> None:
    decision = judge(world)
    assert decision.admitted
    assert decision.failed is None
    assert decision.remedy is None
    assert decision.service == world.parsed().services["api"]
    assert [(record.step, record.held) for record in decision.steps] == [(step, True) for step in STEPS]
    assert all(record.expected and record.got for record in decision.steps)
    assert decision.at == world.now


def test_the_labels_of_the_steps_are_stable() -> None:
    assert STEPS == (
        "manifest.digest", "manifest.custodian", "policy.known", "policy.simulation", "platform.listed",
        "platform.values", "tcb.minima", "tcb.status", "endorsements.complete", "runtime.measurement",
        "workload.manifest", "workload.image", "volumes.anchor", "configuration.fits",
    )  # fmt: skip


def test_1_a_manifest_that_the_platform_did_not_bind_is_denied(world: Any) -> None:
    digest = world.parsed_manifest().digest
    decision = judge(world, claims=world.claims(manifest=b"\x09" * 32))
    assert_denied(decision, "manifest.digest", expected="sha256:" + "09" * 32, got=digest, remedy="HOST_DATA")


def test_1_a_manifest_object_that_lies_about_its_bytes_is_denied(world: Any) -> None:
    manifest = world.parsed_manifest()
    decision = judge(world, manifest=replace(manifest, data=manifest.data + b" "))
    assert decision.failed is not None
    assert (decision.failed.step, decision.failed.expected) == ("manifest.digest", manifest.digest)
    decision = judge(world, manifest=replace(manifest, digest=OTHER))
    assert decision.failed is not None
    assert decision.failed.step == "manifest.digest"


def test_2_a_manifest_for_another_custodian_is_denied(world: Any) -> None:
    genuine = world.custodian
    decision = judge(world, custodian=OTHER)
    assert_denied(decision, "manifest.custodian", expected=OTHER, got=genuine, remedy="ask the custodian")


def test_2_the_manifest_of_a_custodian_is_denied(world: Any) -> None:
    world.manifest |= {"role": "custodian", "user": {"uid": 1, "gid": 1}}
    del world.manifest["custodian"], world.manifest["policy"]
    decision = judge(world)
    assert_denied(decision, "manifest.custodian", expected=world.custodian, got="none", remedy="ask the custodian")
    known = decision.steps[2]
    assert (known.held, known.got) == (False, "role custodian")


@pytest.mark.parametrize("missing", ["genesis", "document"])
def test_3_an_unknown_policy_is_denied_and_the_later_steps_are_not_reached(world: Any, missing: str) -> None:
    decision = judge(world, **{missing: None})
    expected = f"a policy with genesis {world.genesis.identity()}"
    assert_denied(decision, "policy.known", expected=expected, got="none on this custodian", remedy="submit the policy")
    assert [record.held for record in decision.steps[3:]] == [None] * (len(STEPS) - 3)


def test_3_the_policy_of_another_genesis_is_denied(world: Any) -> None:
    other = world.genesis.model_copy(update={"random": b"\x01" * 32})
    decision = judge(world, genesis=other)
    mine, theirs = world.genesis.identity(), other.identity()
    assert_denied(
        decision, "policy.known", expected=f"genesis {mine}", got=f"genesis {theirs}", remedy="build the manifest"
    )


def test_3_a_document_of_another_genesis_is_denied(world: Any) -> None:
    wanted = world.genesis.identity()
    world.document["genesis"] = OTHER
    decision = judge(world)
    assert_denied(decision, "policy.known", expected=f"genesis {wanted}", got=f"genesis {OTHER}", remedy="build")


def test_3_a_policy_of_another_custodian_is_denied(world: Any) -> None:
    genesis = world.genesis.model_copy(update={"custodian": OTHER})
    world.manifest["policy"]["genesis"] = world.document["genesis"] = genesis.identity()
    world.approve()
    decision = judge(world, genesis=genesis)
    expected, got = f"custodian {world.custodian}", f"custodian {OTHER}"
    assert_denied(decision, "policy.known", expected=expected, got=got, remedy="build")


def test_3_another_name_is_denied(world: Any) -> None:
    world.manifest["policy"]["name"] = "acme/other"
    world.approve()
    assert_denied(
        judge(world),
        "policy.known",
        expected="policy acme/other",
        got="policy acme/records",
        remedy="build the manifest",
    )


def test_3_a_document_of_another_name_is_denied(world: Any) -> None:
    world.document["policy"] = "acme/other"
    assert_denied(
        judge(world),
        "policy.known",
        expected="policy acme/records",
        got="policy acme/other",
        remedy="build the manifest",
    )


def test_3_a_name_that_only_genesis_does_not_have_is_denied(world: Any) -> None:
    world.document["policy"] = world.manifest["policy"]["name"] = "acme/other"
    world.approve()
    assert_denied(judge(world), "policy.known", expected="policy acme/other", got="policy acme/records", remedy="build")


def test_3_a_service_that_the_policy_does_not_have_is_denied(world: Any) -> None:
    world.manifest["policy"]["service"] = "worker"
    world.approve()
    assert_denied(
        judge(world), "policy.known", expected="one of the services api", got="worker", remedy="services.worker"
    )


def test_4_a_simulated_platform_is_denied_where_the_genesis_admits_real_ones(world: Any) -> None:
    genesis = world.genesis.model_copy(update={"insecure_simulation": False})
    world.manifest["policy"]["genesis"] = world.document["genesis"] = genesis.identity()
    world.approve()
    expected = "real platforms only (insecure_simulation: false at its genesis)"
    decision = judge(world, genesis=genesis)
    assert_denied(decision, "policy.simulation", expected=expected, got="simulated", remedy="flag never changes")


def test_4_a_real_platform_is_denied_where_the_genesis_admits_the_simulated_one(world: Any) -> None:
    world.service["platforms"] = ["sev-snp", "simulated"]
    world.platform = "sev-snp"
    expected = "simulated platforms only (insecure_simulation: true at its genesis)"
    assert_denied(judge(world), "policy.simulation", expected=expected, got="sev-snp", remedy="flag never changes")


def test_4_the_weaker_simulation_is_one_too_and_is_listed_by_its_own_name(world: Any) -> None:
    world.platform = "simulated-container"
    assert_denied(
        judge(world),
        "platform.listed",
        expected="simulated",
        got="simulated-container",
        remedy="services.api.platforms",
    )
    world.service["platforms"] = ["simulated-container"]
    assert judge(world).failed is None


def test_5_a_platform_that_is_not_listed_is_denied(world: Any) -> None:
    world.service["platforms"] = ["sev-snp"]
    assert_denied(judge(world), "platform.listed", expected="sev-snp", got="simulated", remedy="services.api.platforms")


def asked(world: Any, **asked: Any) -> None:
    world.service["platforms"] = {"simulated": asked}


def test_6_a_value_that_is_not_among_those_required_is_denied(world: Any) -> None:
    asked(world, require={"product": ["genoa", "milan"], "chip_id": ["cd" * 64]})
    remedy = "services.api.platforms.simulated.require.chip_id"
    assert_denied(
        judge(world), "platform.values", expected=f"chip_id {'cd' * 64}", got=f"chip_id {'ab' * 64}", remedy=remedy
    )


def test_6_a_value_that_the_platform_does_not_say_is_denied(world: Any) -> None:
    asked(world, require={"csp_id": ["CN=acme"]})
    assert_denied(judge(world), "platform.values", expected="csp_id CN=acme", got="csp_id none", remedy="csp_id")


def test_6_one_of_the_values_required_is_admitted(world: Any) -> None:
    asked(world, require={"product": ["genoa", "milan"], "chip_id": ["cd" * 64, "ab" * 64]})
    assert judge(world).admitted


def test_6_what_is_required_of_another_platform_does_not_matter(world: Any) -> None:
    world.service["platforms"] = {"simulated-container": {"require": {"product": ["turin"]}}, "simulated": {}}
    assert judge(world).admitted


def test_10_a_runtime_is_trusted_where_it_is_listed_and_nowhere_else(world: Any) -> None:
    """What another platform measures is no measurement of this one."""
    other = "sha384:" + "d" * 96
    world.service["platforms"] = ["simulated", "simulated-container"]
    world.service["runtime"] = {"measurements": {"simulated": [other, world.runtime], "simulated-container": [other]}}
    assert judge(world).admitted
    world.platform = "simulated-container"
    remedy = "services.api.runtime"
    assert_denied(judge(world), "runtime.measurement", expected=other, got=world.runtime, remedy=remedy)


def test_10_another_runtime_is_denied(world: Any) -> None:
    trusted, world.runtime = world.runtime, "sha384:" + "d" * 96
    remedy = "rebuild the runtime from the trusted release, or update services.api.runtime"
    assert_denied(judge(world), "runtime.measurement", expected=trusted, got=world.runtime, remedy=remedy)


def test_11_another_workload_is_denied(world: Any) -> None:
    approved = world.parsed_manifest().digest
    world.manifest["root"][0]["digest"] = "sha256:" + "b" * 64
    changed = world.parsed_manifest().digest
    assert changed != approved
    assert_denied(
        judge(world), "workload.manifest", expected=approved, got=changed, remedy="services.api.workload.manifest"
    )


IMAGE = {"layers": ["sha256:" + "1" * 64], "protection": "encrypted"}


def test_12_an_encrypted_image_without_a_key_is_denied(world: Any) -> None:
    world.manifest |= {"image": IMAGE, "root": []}
    world.approve()
    assert_denied(judge(world), "workload.image", expected="a key", got="no key", remedy="services.api.image: {key")


@pytest.mark.parametrize("image", [None, IMAGE | {"protection": "authenticated"}])
def test_12_a_key_for_what_is_not_encrypted_is_denied(world: Any, image: dict[str, Any] | None) -> None:
    if image is not None:
        world.manifest |= {"image": image, "root": []}
        world.approve()
    world.service["image"] = {"key": "image"}
    expected = "no key: no image of the manifest is encrypted"
    assert_denied(judge(world), "workload.image", expected=expected, got="a key", remedy="leave services.api.image out")


def test_12_an_encrypted_image_with_its_key_is_admitted(world: Any) -> None:
    world.manifest |= {"image": IMAGE, "root": []}
    world.approve()
    world.service["image"] = {"key": "image"}
    assert judge(world).admitted


def test_7_firmware_below_a_minimum_is_denied(world: Any) -> None:
    world.tcb = tcb(4, 0, 19, 219)
    expected, got = "snp ≥ 20, microcode ≥ 200", "snp 19, microcode 219"
    assert_denied(judge(world), "tcb.minima", expected=expected, got=got, remedy="update the machine's firmware")


def test_7_firmware_at_its_minimum_is_admitted(world: Any) -> None:
    world.tcb = tcb(0, 0, 20, 200)
    assert judge(world).admitted


def test_7_a_component_that_the_platform_does_not_report_is_denied(world: Any) -> None:
    world.service["platforms"] = {"simulated": {"tcb": {"fmc": 0}}}
    assert_denied(
        judge(world),
        "tcb.minima",
        expected="fmc ≥ 0",
        got="fmc none",
        remedy="lower services.api.platforms.simulated.tcb",
    )


def test_7_without_minima_any_firmware_is_admitted(world: Any) -> None:
    world.service["platforms"] = ["simulated"]
    world.tcb = tcb(0, 0, 0, 0)
    decision = judge(world)
    assert decision.admitted
    assert decision.steps[STEPS.index("tcb.minima")].expected == "any"


def test_8_a_status_that_is_not_up_to_date_is_denied_with_the_waiver_that_would_admit_it(world: Any) -> None:
    claims = world.claims(tcb_status="sw-hardening-needed", advisories=("INTEL-SA-00615", "INTEL-SA-00289"))
    assert_denied(
        judge(world, claims=claims),
        "tcb.status",
        expected="up-to-date",
        got="sw-hardening-needed (INTEL-SA-00289, INTEL-SA-00615)",
        remedy="services.api.platforms.simulated.waive: [{status: sw-hardening-needed, "
        'advisories: [INTEL-SA-00289, INTEL-SA-00615], until: "2026-12-23"}]',
    )


def test_8_a_tcb_that_is_up_to_date_is_admitted(world: Any) -> None:
    assert judge(world, claims=world.claims(tcb_status="up-to-date")).admitted
    assert judge(world, claims=world.claims(tcb_status=None)).admitted


def test_11_where_a_vendor_gives_verdicts_none_is_no_good_one(world: Any) -> None:
    world.service["platforms"] = {"tdx": {"tcb": {"evaluation": 17}}}
    world.service["runtime"] = {"measurements": {"tdx": [world.runtime]}}
    genesis = world.genesis.model_copy(update={"insecure_simulation": False})
    decision = real(world, genesis, world.claims(platform="tdx", tcb={"evaluation": 17}, tcb_status=None))
    assert decision.failed is not None
    assert (decision.failed.step, decision.failed.got) == ("tcb.status", "none")


@pytest.mark.parametrize(
    ("change", "admitted"),
    [
        ({}, True),
        ({"advisories": ["INTEL-SA-00615", "INTEL-SA-00289"]}, True),
        ({"advisories": []}, False),
        ({"advisories": ["INTEL-SA-00289"]}, False),
        ({"status": "out-of-date"}, False),
        ({"until": "2026-11-24"}, True),
        ({"until": "2026-11-23"}, False),
    ],
)
def test_8_a_waiver_is_of_one_status_its_advisories_and_until_a_day(
    world: Any, change: dict[str, Any], admitted: bool
) -> None:
    waiver = {"status": "sw-hardening-needed", "advisories": ["INTEL-SA-00615"], "until": "2027-01-31"} | change
    world.service["platforms"] = {"tdx": {"tcb": {"evaluation": 17}, "waive": [waiver]}}
    world.service["runtime"] = {"measurements": {"tdx": [world.runtime]}}
    genesis = world.genesis.model_copy(update={"insecure_simulation": False})
    claims = world.claims(
        platform="tdx", tcb={"evaluation": 17}, tcb_status="sw-hardening-needed", advisories=("INTEL-SA-00615",)
    )
    assert real(world, genesis, claims).admitted == admitted


def real(world: Any, genesis: Any, claims: Any) -> Decision:
    """Judged as a policy of real platforms."""
    world.document["genesis"] = world.manifest["policy"]["genesis"] = genesis.identity()
    world.approve()
    names = ("platform", "tcb", "tcb_status", "advisories", "lacks", "values")
    claims = world.claims(**{name: getattr(claims, name) for name in names})
    return judge(world, claims=claims, genesis=genesis)


def test_9_evidence_without_its_lists_is_denied(world: Any) -> None:
    claims = world.claims(lacks=frozenset({"crl"}))
    remedy = "services.api.platforms.simulated.waive: [{lacks: crl"
    assert_denied(
        judge(world, claims=claims),
        "endorsements.complete",
        expected="complete evidence",
        got="without crl",
        remedy=remedy,
    )


@pytest.mark.parametrize(("until", "admitted"), [("2026-11-24", True), ("2026-11-23", False)])
def test_9_what_is_waived_may_be_missing_until_a_day(world: Any, until: str, admitted: bool) -> None:
    asked(world, waive=[{"lacks": "crl", "until": until}])
    assert judge(world, claims=world.claims(lacks=frozenset({"crl"}))).admitted == admitted
    assert not judge(world, claims=world.claims(lacks=frozenset({"crl", "authority"}))).admitted


@pytest.mark.parametrize(("who", "admitted"), [("name", True), ("authority", False)])
def test_9_a_key_that_is_named_needs_nobody_to_vouch_for_it(world: Any, who: str, admitted: bool) -> None:
    require = {who: ["aa"], "project": ["p"], **{f"pcr{number}": ["00"] for number in (0, 4, 7, 8, 9, 12)}}
    world.service["platforms"] = {"tpm": {"require": require}}
    genesis = world.genesis.model_copy(update={"insecure_simulation": False})
    values = {name: listed[0] for name, listed in require.items()}
    claims = world.claims(platform="tpm", values=values, lacks=frozenset({"authority"}))
    decision = real(world, genesis, claims)
    assert decision.admitted == admitted
    if not admitted:
        assert decision.failed is not None
        assert (decision.failed.step, decision.failed.got) == ("endorsements.complete", "without authority")
        assert "services.api.platforms.tpm.require.name" in str(decision.remedy)


def test_14_a_hole_without_a_value_is_denied(world: Any) -> None:
    world.service["holes"] = {}
    expected, got = "values for the holes PASSWORD, name", "values for PASSWORD"
    assert_denied(judge(world), "configuration.fits", expected=expected, got=got, remedy="services.api.holes")


def test_14_a_value_for_a_hole_of_the_host_is_denied(world: Any) -> None:
    world.service["holes"]["port"] = "80"
    expected, got = "values for the holes PASSWORD, name", "values for PASSWORD, name, port"
    assert_denied(judge(world), "configuration.fits", expected=expected, got=got, remedy="`from: policy`")


def test_14_a_variable_that_is_more_than_its_hole_is_denied(world: Any) -> None:
    world.manifest["environment"]["PASSWORD"] = "x{{ hole.PASSWORD }}"
    world.approve()
    expected = "a variable PASSWORD whose value in the manifest is exactly {{ hole.PASSWORD }}"
    assert_denied(judge(world), "configuration.fits", expected=expected, got="it is not", remedy="under services.api")


def test_14_a_variable_that_the_manifest_does_not_have_is_denied(world: Any) -> None:
    world.manifest["environment"] = {"OTHER": "{{ hole.PASSWORD }}"}
    world.approve()
    expected = "a variable PASSWORD whose value in the manifest is exactly {{ hole.PASSWORD }}"
    got = "there is no such variable"
    assert_denied(judge(world), "configuration.fits", expected=expected, got=got, remedy="under services.api.holes")


@pytest.mark.parametrize("secret", ["{{ secret.password }}", "x{{ secret.tls }}", "{{secret.tls.private_key}}"])
def test_14_a_secret_in_an_argument_is_denied(world: Any, secret: str) -> None:
    world.service["holes"]["name"] = secret
    got = "a secret for name, which the manifest uses in its arguments"
    decision = judge(world)
    assert_denied(decision, "configuration.fits", expected="no secret in an argument", got=got, remedy="by a file")


def test_14_a_public_part_of_a_secret_in_an_argument_is_admitted(world: Any) -> None:
    world.service["holes"]["name"] = "{{ secret.ca }}{{ secret.tls.certificate }}"
    assert judge(world).admitted


def test_14_a_secret_hole_in_both_environment_and_arguments_is_denied(world: Any) -> None:
    world.manifest["arguments"].append("--again={{ hole.PASSWORD }}")
    world.approve()
    got = "a secret for PASSWORD, which the manifest uses in its arguments"
    decision = judge(world)
    assert_denied(decision, "configuration.fits", expected="no secret in an argument", got=got, remedy="by a file")


def test_14_a_file_at_a_path_that_the_manifest_does_not_list_is_denied(world: Any) -> None:
    world.service["files"]["/run/api/cron"] = {"content": "x", "mode": "0400"}
    expected, got = "files at /run/api/key.pem, /run/api/other", "files at /run/api/cron"
    assert_denied(judge(world), "configuration.fits", expected=expected, got=got, remedy="`files`")


def test_14_a_user_where_the_manifest_says_one_is_denied(world: Any) -> None:
    world.manifest["user"] = {"uid": 5, "gid": 5}
    world.approve()
    assert_denied(
        judge(world), "configuration.fits", expected="no user: the manifest says it", got="a user", remedy="user out"
    )


def test_14_no_user_at_all_is_denied(world: Any) -> None:
    del world.service["user"]
    assert_denied(judge(world), "configuration.fits", expected="a user", got="none", remedy="services.api.user")


def test_the_first_reason_counts_and_later_ones_are_recorded_too(world: Any) -> None:
    world.runtime = "sha384:" + "d" * 96
    world.tcb = tcb(0, 0, 0, 0)
    decision = judge(world)
    assert decision.failed is not None
    assert decision.failed.step == "tcb.minima"
    assert [record.step for record in decision.steps if not record.held] == ["tcb.minima", "runtime.measurement"]


def test_deciding_changes_nothing(world: Any) -> None:
    before = copy.deepcopy((world.document, world.manifest))
    assert judge(world) == judge(world)
    assert (world.document, world.manifest) == before


def with_volume(world: Any, **volume: Any) -> Decision:
    world.manifest["volumes"] = [{"path": "/data"}]
    world.document["volumes"] = {"records": {"root": "hash", **volume}}
    world.service["volumes"] = {"/data": {"volume": "records", "mode": "write"}}
    world.approve()
    return judge(world)


def test_13_a_strict_volume_does_not_hang_on_an_anchor_that_the_host_can_rewrite(world: Any) -> None:
    assert_denied(
        with_volume(world, freshness="strict"),
        "volumes.anchor",
        expected="accept_anchor: [insecure_file] in volumes.records",
        got="it is not there",
        remedy="write accept_anchor: [insecure_file] in volumes.records",
    )


@pytest.mark.parametrize(
    "volume",
    [
        {"freshness": "strict", "accept_anchor": ["insecure_file"]},
        {"freshness": "interval", "interval": "1s"},
        {"freshness": "none"},
    ],
)
def test_13_a_policy_that_accepts_such_an_anchor_by_name_is_admitted(world: Any, volume: dict[str, Any]) -> None:
    assert with_volume(world, **volume).admitted


def test_13_volumes_of_other_services_do_not_matter(world: Any) -> None:
    world.document["volumes"] = {"records": {"freshness": "strict", "root": "hash"}}
    assert judge(world).admitted
