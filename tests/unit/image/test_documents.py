"""Documents of images: everybody reads the same in them, and whatever comes is read or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, ImageRefusedError, TooLargeError
from casemate.image import oci, shape
from casemate.image.layout import Layout
from casemate.image.media import check_config, check_layer
from casemate.image.reading import choose
from casemate.testing.images import archive, member, write_image

A_DIGEST = "sha256:" + "0a" * 32
LAYER = {"mediaType": oci.LAYER_TYPE, "digest": A_DIGEST, "size": 1}
CONFIG = {"mediaType": oci.CONFIG_TYPE, "digest": A_DIGEST, "size": 1}
IMAGE = {"mediaType": oci.MANIFEST_TYPE, "digest": A_DIGEST, "size": 1}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.MANIFEST_TYPE, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.INDEX_TYPE, "manifests": [IMAGE]}


def test_a_name_comes_once_everywhere() -> None:
    for twice in ('"layers": []', '"mediaType": "x"', '"config": {}'):
        data = json.dumps(MANIFEST).replace("{", f"{{{twice}, ", 1).encode()
        with pytest.raises(ImageRefusedError, match="a name comes twice"):
            oci.parse_manifest(data)
    labels = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"a": "1", "A": "2"}},
        "rootfs": {"diff_ids": []},
    }
    assert oci.parse_config(json.dumps(labels).encode()).config is not None, "names that users choose may differ so"


def test_what_is_announced_is_read() -> None:
    assert oci.parse_manifest(json.dumps(MANIFEST).encode(), oci.MANIFEST_TYPE).layers[0].size == 1
    assert oci.parse_index(json.dumps(INDEX).encode(), oci.INDEX_TYPE).manifests[0].digest == A_DIGEST
    silent = {name: value for name, value in MANIFEST.items() if name != "mediaType"}
    assert oci.parse_manifest(json.dumps(silent).encode(), oci.MANIFEST_TYPE).config.media_type == oci.CONFIG_TYPE


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({**MANIFEST, "manifests": [IMAGE]}, "index and a manifest"),
        ({**MANIFEST, "manifests": None}, "index and a manifest"),
        ({**MANIFEST, "Manifests": [IMAGE]}, "index and a manifest"),
        ({**MANIFEST, "mediaType": oci.INDEX_TYPE}, "announced"),
        ({**MANIFEST, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}, "announced"),
        ({**MANIFEST, "LAYERS": []}, "another case"),
        ({**MANIFEST, "layer\u017f": []}, "another case"),
        ({**MANIFEST, "config": {**CONFIG, "Digest": A_DIGEST}}, "another case"),
        ({**MANIFEST, "config": {"media_type": oci.CONFIG_TYPE, "digest": A_DIGEST, "size": 1}}, "mediaType"),
        ({**MANIFEST, "layers": [{**LAYER, "size": "1"}]}, "integer"),
        ({**MANIFEST, "layers": [{**LAYER, "size": 1.0}]}, "integer"),
        ({**MANIFEST, "layers": [{**LAYER, "size": True}]}, "integer"),
        ({**MANIFEST, "layers": [{**LAYER, "size": -1}]}, "greater"),
        ({**MANIFEST, "layers": [{**LAYER, "size": 2**53}]}, "less"),
        ({**MANIFEST, "layers": [{**LAYER, "digest": "sha512:" + "0a" * 64}]}, "another hash than sha256"),
        ({**MANIFEST, "layers": [{**LAYER, "digest": A_DIGEST.upper()}]}, "pattern"),
        ({**MANIFEST, "layers": [{**LAYER, "digest": A_DIGEST + "/../x"}]}, "pattern"),
        ({**MANIFEST, "layers": [{**LAYER, "annotations": ["a"]}]}, "annotations"),
        ({**MANIFEST, "layers": [LAYER] * 1001}, "1000"),
        ([], "dictionary"),
    ],
)
def test_what_others_could_read_otherwise_is_refused(document: object, refused: str) -> None:
    with pytest.raises(ImageRefusedError, match=refused):
        oci.parse_manifest(json.dumps(document).encode(), oci.MANIFEST_TYPE)


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({**INDEX, "layers": []}, "index and a manifest"),
        ({**INDEX, "config": CONFIG}, "index and a manifest"),
        ({**INDEX, "mediaType": oci.MANIFEST_TYPE}, "announced"),
        ({**INDEX, "manifests": [{**IMAGE, "annotations": ["x"]}]}, "annotations"),
        ({**INDEX, "manifests": [{**IMAGE, "annotations": {"a": 1}}]}, "annotations"),
    ],
)
def test_an_index_is_nothing_else(document: object, refused: str) -> None:
    for announced in (oci.INDEX_TYPE, None):
        with pytest.raises(ImageRefusedError, match=refused):
            oci.parse_index(json.dumps(document).encode(), announced)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 500_000,
        b'{"a":' * 200_000,
        b'{"config": 1, "config": 2}',
        b'{"size": 1e999}',
        b'{"size": NaN}',
        b'{"size": ' + b"9" * 5000 + b"}",
        '{"a": "b"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a": "b"}',
        b'{"a": "\xff"}',
        b'{"architecture": "\\ud800", "os": "linux", "rootfs": {"diff_ids": []}}',
        b"",
    ],
    ids=range(11),
)
def test_bytes_that_nobody_means_are_refused(data: bytes) -> None:
    for parse in (oci.parse_index, oci.parse_manifest, oci.parse_config):
        with pytest.raises(ImageRefusedError, match="this is no"):
            parse(data)


@pytest.mark.parametrize("parse", [oci.parse_index, oci.parse_manifest, oci.parse_config])
def test_a_document_has_a_size(parse: Callable[[bytes], object]) -> None:
    with pytest.raises(TooLargeError):
        parse(b" " * (oci.MAX_DOCUMENT_BYTES + 1))


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted for somebody"),
        ("application/vnd.oci.image.layer.v1.tar+encrypted", "encrypted for somebody"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "not to be distributed"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "not to be distributed"),
        ("application/vnd.oci.image.layer.v1.tar+xz", "not known"),
        ("application/vnd.oci.image.layer.v1.squashfs", "not known"),
        ("application/vnd.in-toto+json", "not known"),
        ("", "not known"),
    ],
)
def test_a_layer_that_is_no_archive_is_refused_by_its_kind(kind: str, refused: str) -> None:
    with pytest.raises(ImageRefusedError, match=refused) as caught:
        check_layer(oci.Descriptor(media_type=kind, digest=A_DIGEST, size=1))
    assert caught.value.got == kind
    assert caught.value.remedy


@pytest.mark.parametrize("kind", sorted(oci.LAYER_TYPES))
def test_archives_are_taken(kind: str) -> None:
    check_layer(oci.Descriptor(media_type=kind, digest=A_DIGEST, size=1))


def test_what_is_kept_beside_images_is_none() -> None:
    with pytest.raises(ImageRefusedError, match="something else that registries keep"):
        check_config(oci.Descriptor(media_type="application/vnd.oci.empty.v1+json", digest=A_DIGEST, size=2))


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"layers": [{**LAYER, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}]}, "encrypted"),
        ({"config": {**CONFIG, "mediaType": "application/vnd.oci.empty.v1+json"}}, "something else"),
        ({"mediaType": oci.INDEX_TYPE}, "announced"),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v2+json"}, "announced"),
        ({"manifests": []}, "index and a manifest"),
    ],
)
def test_an_image_is_read_as_what_it_says_it_is(change: dict[str, Any], refused: str, tmp_path: Path) -> None:
    descriptor = write_image(tmp_path, "1", [archive(member("a"))], {"Cmd": ["/a"]})
    layout = Layout(tmp_path, "1")
    said = json.loads(layout.manifest(descriptor))
    if "layers" in change:
        change["layers"] = [{**said["layers"][0], "mediaType": change["layers"][0]["mediaType"]}]
    if "config" in change:
        change["config"] = {**said["config"], "mediaType": change["config"]["mediaType"]}
    layout.finish(layout.put_manifest(json.dumps(said | change).encode(), oci.MANIFEST_TYPE))
    with pytest.raises(ImageRefusedError, match=refused):
        choose(layout, None).original()


def test_an_index_is_read_as_what_it_says_it_is(tmp_path: Path) -> None:
    descriptor = write_image(tmp_path, None, [archive(member("a"))], {"Cmd": ["/a"]})
    layout = Layout(tmp_path, "many")
    entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    for said, is_read in ((oci.INDEX_TYPE, True), ("application/vnd.docker.distribution.manifest.list.v2+json", False)):
        layout.finish(
            layout.put_manifest(json.dumps(INDEX | {"mediaType": said, "manifests": [entry]}).encode(), oci.INDEX_TYPE)
        )
        with nullcontext() if is_read else pytest.raises(ImageRefusedError, match="announced"):
            assert choose(layout, None).digest == descriptor.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([A_DIGEST, LAYER]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["manifests", "config", "layers", "mediaType", "size", "rootfs", "os"]), inner),
    max_leaves=12,
)  # fmt: skip
PARSERS = [oci.parse_index, oci.parse_manifest, oci.parse_config, shape.read_start]


@pytest.mark.parametrize("parse", PARSERS)
@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_document_or_our_own_error(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(CasemateError):
        parse(data)


@given(st.sampled_from([MANIFEST, INDEX]), st.sampled_from(["config", "layers", "manifests", "mediaType"]), JSON)
def test_any_value_anywhere_is_a_document_or_our_own_error(document: dict[str, Any], name: str, value: object) -> None:
    data = json.dumps(document | {name: value}).encode()
    for parse in (oci.parse_index, oci.parse_manifest):
        with suppress(CasemateError):
            parse(data)
