"""Of an index, the image that is meant is taken, or it is said why none is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from casemate.errors import ImageRefusedError
from casemate.image import oci
from casemate.image.several import meant

AMD, ARM, WINDOWS, UNKNOWN = ("linux", "amd64"), ("linux", "arm64"), ("windows", "amd64"), ("unknown", "unknown")


def entry(number: int, platform: tuple[str, ...] | None = None, **said: Any) -> dict[str, Any]:
    digest = f"sha256:{number:064x}"
    found = {"mediaType": oci.MANIFEST_TYPE, "digest": digest, "size": 1, **said}
    names = ("os", "architecture", "variant")
    return found if platform is None else {**found, "platform": dict(zip(names, platform, strict=False))}


def chosen(architecture: str | None, *entries: dict[str, Any]) -> tuple[int, list[str]]:
    index = {"schemaVersion": 2, "manifests": list(entries)}
    found, passed_by = meant(oci.parse_index(json.dumps(index).encode()), architecture)
    return int(found.digest.removeprefix("sha256:"), 16), passed_by


ATTESTATION = entry(7, UNKNOWN, annotations={"vnd.docker.reference.type": "attestation-manifest"})
SILENT = entry(8, AMD, annotations={"vnd.docker.reference.type": "attestation-manifest"})
SIGNATURE = entry(9, artifactType="application/vnd.dev.sigstore.bundle.v0.3+json")
OTHER = entry(6, AMD, mediaType="application/vnd.example.thing")


@pytest.mark.parametrize("beside", [[], [ATTESTATION], [SILENT], [SIGNATURE], [OTHER], [ATTESTATION, SIGNATURE, OTHER]])
def test_what_lies_beside_an_image_is_not_asked_about(beside: list[dict[str, Any]]) -> None:
    assert chosen(None, entry(1, AMD), *beside) == (1, [])
    assert chosen(None, *beside, entry(1)) == (1, [])
    with pytest.raises(ImageRefusedError, match="no shield") as refused:
        chosen(None, *beside)
    assert refused.value.got == "no image at all"


@pytest.mark.parametrize("other", [ARM, WINDOWS, ("linux", "arm", "v7")])
def test_one_of_several_is_taken_only_if_it_is_named(other: tuple[str, ...]) -> None:
    entries = entry(1, other), entry(2, AMD)
    assert chosen("amd64", *entries) == (2, ["/".join(other)])
    with pytest.raises(ImageRefusedError, match="no shield") as refused:
        chosen(None, *entries)
    assert (refused.value.got, "--arch amd64" in str(refused.value.remedy)) == (f"{'/'.join(other)}, linux/amd64", True)


@pytest.mark.parametrize("architecture", [None, "amd64", "arm64", "s390x"])
def test_where_none_has_a_shield_it_is_to_be_built(architecture: str | None) -> None:
    with pytest.raises(ImageRefusedError, match="no shield") as refused:
        chosen(architecture, entry(1, ARM), entry(2, WINDOWS))
    assert refused.value.remedy == "build it for linux/amd64"


def test_another_one_than_the_one_with_a_shield_cannot_be_meant() -> None:
    with pytest.raises(ImageRefusedError, match="no shield"):
        chosen("arm64", entry(1, ARM), entry(2, AMD))


@pytest.mark.parametrize("architecture", [None, "amd64"])
def test_two_for_one_platform_are_told_apart_by_their_digests(architecture: str | None) -> None:
    with pytest.raises(ImageRefusedError, match="several for one platform") as refused:
        chosen(architecture, entry(1, (*AMD, "v2")), entry(2, (*AMD, "v3")))
    assert (refused.value.got, "digest" in str(refused.value.remedy)) == ("linux/amd64/v2, linux/amd64/v3", True)


def test_an_index_in_an_index_is_refused() -> None:
    with pytest.raises(ImageRefusedError, match="holds an index"):
        chosen(None, entry(1, AMD), entry(2, ARM, mediaType=oci.INDEX_TYPE))
