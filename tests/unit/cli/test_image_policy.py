"""The policy that fits a protected image, as `--policy-out` writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from casemate.cli.image._part import Part, write
from casemate.errors import PolicyError, UsageError
from casemate.policy import source
from casemate.policy.genesis import make_genesis
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire.policies import PolicyGenesis
from casemate.wire.rules import Access, AnyRule, Principal

from .conftest import pin

KEY = "ed25519:" + "A" * 43
SEALING = "x25519:CTH9ajT6f5RS0XtMSKKYGQfQxt1NYbhyxTgTQI2tOxA"
ALICE = AnyRule.model_validate({"any": ["alice"]})
PART = Part(
    service="api",
    manifest="sha256:" + "1" * 64,
    runtime="sha384:" + "2" * 96,
    volumes={"/data": "records"},
    secrets={"DB_PASSWORD": "hunter2"},
    key=None,
)


@pytest.fixture
def genesis(home: Path) -> PolicyGenesis:
    return make_genesis(
        "acme/records",
        principals={"alice": Principal.model_validate({"key": KEY})},
        access=Access(
            read=AnyRule.model_validate({"any": ["alice"]}), update=AnyRule.model_validate({"any": ["alice"]})
        ),
        custodian=pin(home, "main").identity,
        insecure_simulation=True,
        rng=lambda count: bytes(count),
    )


def written(part: Part, genesis: PolicyGenesis, file: Path = Path("p.yaml")) -> Path | None:
    return write(part, file, genesis, custodian=str(genesis.custodian), sealing_key=SEALING)


def test_a_new_file_admits_the_image_and_nothing_else_is_missing(genesis: PolicyGenesis) -> None:
    sealed = written(PART, genesis)
    document = source.load(Path("p.yaml").read_bytes(), SCHEMAS)
    service = document.services["api"]
    assert (service.workload, service.runtime.everywhere) == (PART.manifest, PART.runtime)
    assert set(service.holes) == {"DB_PASSWORD"}
    assert service.volumes["/data"].volume.name == "records"
    assert document.secret_kinds == {"db_password": "value"}
    assert sealed == Path("p.sealed.json")
    assert set(json.loads(sealed.read_text())) == {"db_password"}
    assert "hunter2" not in Path("p.yaml").read_text() + sealed.read_text()


def test_a_second_version_changes_the_manifest_alone(genesis: PolicyGenesis) -> None:
    written(PART, genesis)
    before = Path("p.yaml").read_text()
    second = "sha256:" + "3" * 64
    assert written(Part(**{**vars(PART), "manifest": second}), genesis) is None, "no secret is sealed again"
    assert Path("p.yaml").read_text() == before.replace(PART.manifest, second)


def test_another_service_of_a_policy_comes_beside_the_first(genesis: PolicyGenesis) -> None:
    written(PART, genesis)
    written(Part(**{**vars(PART), "service": "job", "volumes": {}}), genesis)
    document = source.load(Path("p.yaml").read_bytes(), SCHEMAS)
    assert set(document.services) == {"api", "job"}
    assert document.services["job"].platforms.keys() == {"simulated"}


def test_what_people_wrote_stays(genesis: PolicyGenesis) -> None:
    written(PART, genesis)
    text = Path("p.yaml").read_text().replace('lease: "300s"', 'lease: "60s"   # short')
    Path("p.yaml").write_text(text)
    written(PART, genesis)
    assert Path("p.yaml").read_text() == text


def test_a_volume_that_the_policy_lets_be_read_alone_is_not_opened_for_writing(genesis: PolicyGenesis) -> None:
    written(PART, genesis)
    text = Path("p.yaml").read_text()
    read_only = text.replace("mode: write", "mode: read")
    assert read_only != text
    Path("p.yaml").write_text(read_only)
    written(Part(**{**vars(PART), "manifest": "sha256:" + "3" * 64}), genesis)
    assert source.load(Path("p.yaml").read_bytes(), SCHEMAS).services["api"].volumes["/data"].mode == "read"
    # Another volume at that place is another matter.
    written(Part(**{**vars(PART), "volumes": {"/data": "other"}}), genesis)
    assert source.load(Path("p.yaml").read_bytes(), SCHEMAS).services["api"].volumes["/data"].mode == "write"


@pytest.mark.parametrize("text", ["genesis: sha256:0", "[1]", "a: [", ""])
def test_another_file_is_never_changed(genesis: PolicyGenesis, text: str) -> None:
    Path("p.yaml").write_text(text)
    with pytest.raises((UsageError, PolicyError)):
        written(PART, genesis)
    assert Path("p.yaml").read_text() == text


def test_the_part_can_be_read_by_a_person() -> None:
    service = yaml.safe_load(PART.text())["services"]["api"]
    assert service["holes"] == {"DB_PASSWORD": "{{ secret.db_password }}"}
    assert service["volumes"] == {"/data": {"volume": "records", "mode": "write"}}


def test_an_image_for_a_container_engine_is_for_no_other_platform(genesis: PolicyGenesis) -> None:
    written(PART, genesis)
    written(Part(**{**vars(PART), "containers": True}), genesis)
    document = source.load(Path("p.yaml").read_bytes(), SCHEMAS)
    assert document.services["api"].platforms.keys() == {"simulated-container"}
