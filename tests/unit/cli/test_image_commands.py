"""`casemate image`: from an image in a folder to a protected one beside it, and what can be asked of that."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from casemate.client import identities, pins
from casemate.image import shape
from casemate.testing.images import archive, folder, member, write_image, write_index

from .conftest import Casemate

PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
BASE = archive(folder("bin"), member("bin/server", b"program", 0o755), folder("etc"), member("etc/passwd", PASSWD))
SECRET = {"Env": ["LANG=C", "DB_PASSWORD=hunter2"], "Cmd": ["server"], "User": "app"}
PLAIN = {"Cmd": ["/bin/server"], "User": "app", "Labels": {"version": "1"}, "ExposedPorts": {"80/tcp": {}}}
TO = ("--policy", "acme/records#api")


def top(text: bytes) -> bytes:
    return archive(folder("srv"), member("srv/text", text))


@pytest.fixture
def images(casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin, home: Path) -> Path:
    """A layout with the images 1 and 2, which differ in their top layer; a policy; a shield."""
    place = Path("images")
    for tag in ("1", "2"):
        write_image(place, tag, [BASE, top(tag.encode())], PLAIN)
    made = casemate("policy", "init", "acme/records", "--owner", "alice", "--service", "api", "--insecure-simulation")
    assert made.status == 0
    return place


Protect = Callable[..., dict[str, Any]]


@pytest.fixture
def protect(casemate: Casemate, images: Path) -> Protect:
    def run(tag: str, *options: str) -> dict[str, Any]:
        said = casemate("image", "protect", f"oci:{images}:{tag}", f"oci:{images}:{tag}-p", *TO, *options, "--json")
        assert said.status == 0, said.output
        return said.data

    return run


def test_a_second_version_sends_what_is_new(protect: Protect) -> None:
    first, again, second = protect("1"), protect("1"), protect("2")
    assert again["digest"] == first["digest"]
    assert again["sent"] == 0
    assert 0 < second["sent"] < 100_000 < first["sent"]
    assert second["manifest"] != first["manifest"]


def test_the_image_key_is_made_once_for_its_owner_alone(protect: Protect, home: Path) -> None:
    key = Path(protect("1")["key"])
    assert key.parent == home / "image-keys"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    protect("2")
    assert key.read_bytes() == before


def test_what_everybody_sees_is_shown_and_nothing_else_is_there(
    casemate: Casemate, protect: Protect, images: Path
) -> None:
    made = protect("1")
    seen = casemate("image", "inspect", f"oci:{images}:1-p", "--json").data
    assert (seen["digest"], seen["manifest"]) == (made["digest"], made["manifest"])
    assert (seen["labels"], seen["ports"], seen["protection"]) == ({"version": "1"}, ["80/tcp"], "encrypted")
    assert seen["launch"]["policy"]["name"] == "acme/records"
    assert seen["launch"]["user"] == {"uid": 1000, "gid": 1001}
    assert len(seen["layers"]) == 2
    text = casemate("image", "inspect", f"oci:{images}:1-p").output
    assert "Nobody sees without the key" in text
    assert made["manifest"] in text


def test_a_protected_image_is_held_against_its_policy(casemate: Casemate, protect: Protect, images: Path) -> None:
    made = protect("1")
    admitted = casemate("policy", "admit", "records.yaml", "acme/records#api")
    assert admitted.status == 0
    verified = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml", "--json").data
    assert verified["steps"] == ["policy", "manifest", "runtime", "custodian", "volumes", "content"]
    assert verified["manifest"] == made["manifest"]
    protect("2")
    other = casemate("image", "verify", f"oci:{images}:2-p", "--policy", "records.yaml", "--json")
    assert (other.status, json.loads(other.output)["error"]["step"]) == (103, "image.manifest")


def test_without_the_key_the_blobs_are_verified(casemate: Casemate, protect: Protect, images: Path) -> None:
    Path(protect("1")["key"]).unlink()
    casemate("policy", "admit", "records.yaml", "acme/records#api")
    verified = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml")
    assert verified.status == 0
    assert "content: False" in verified.output
    exported = casemate("image", "export", f"oci:{images}:1-p", "out.tar", "--json")
    assert (exported.status, json.loads(exported.output)["error"]["remedy"]) == (2, "name it with --key-file")


def test_another_shield_is_not_the_policys(
    casemate: Casemate, protect: Protect, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect("1")
    casemate("policy", "admit", "records.yaml", "acme/records#api")
    Path("other-shield").write_bytes(b"other")
    monkeypatch.setenv("CASEMATE_SHIELD", str(Path("other-shield").absolute()))
    protect("1")
    refused = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (103, "image.runtime")


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_a_changed_blob_is_refused(casemate: Casemate, protect: Protect, images: Path, which: int) -> None:
    protect("1")
    casemate("policy", "admit", "records.yaml", "acme/records#api")
    blob = images / "blobs/sha256" / layers_of(images, "1-p")[which]["digest"].removeprefix("sha256:")
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    refused = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (101, "image.digest")


def test_layers_in_another_order_are_refused(casemate: Casemate, protect: Protect, images: Path) -> None:
    protect("1")
    casemate("policy", "admit", "records.yaml", "acme/records#api")
    rewrite(images, "1-p", lambda layers: [layers[0], layers[2], layers[1], layers[3]])
    refused = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (101, "image.layers")


@pytest.mark.parametrize(
    "change",
    [
        {"Entrypoint": ["/casemate/shield"]},
        {"Cmd": ["--no"]},
        {"Env": ["LD_PRELOAD=/x"]},
        {"User": "1"},
        {"Entrypoint": None},
    ],
)
def test_an_image_that_starts_anything_else_than_its_shield_is_none_of_ours(
    casemate: Casemate, protect: Protect, images: Path, change: dict[str, Any]
) -> None:
    protect("1")
    rewrite(images, "1-p", lambda layers: layers, change)
    said = casemate("image", "inspect", f"oci:{images}:1-p", "--json")
    assert (said.status, json.loads(said.output)["error"]["step"]) == (102, "image.shape")


def test_whoever_else_is_asked_is_not_the_manifests_custodian(
    casemate: Casemate, protect: Protect, images: Path, tmp_path: Path
) -> None:
    protect("1")
    casemate("policy", "admit", "records.yaml", "acme/records#api")

    def other(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = images / "blobs/sha256" / layers[-1]["digest"].removeprefix("sha256:")
        start = shape.read_start(last.read_bytes())
        shape.write_start(tmp_path / "start", replace(start, genesis=b"mallory's"))
        return [*layers[:-1], {**layers[-1], **stored(images, (tmp_path / "start").read_bytes())}]

    rewrite(images, "1-p", other)
    refused = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "records.yaml", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (103, "image.custodian")


def test_another_policy_is_not_the_images(casemate: Casemate, protect: Protect, images: Path) -> None:
    protect("1")
    casemate("policy", "init", "acme/others", "--owner", "alice", "--service", "api", "--insecure-simulation")
    refused = casemate("image", "verify", f"oci:{images}:1-p", "--policy", "others.yaml", "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (103, "image.policy")


def test_an_archive_and_a_difference_are_for_auditors(casemate: Casemate, protect: Protect, images: Path) -> None:
    protect("1")
    protect("2")
    assert casemate("image", "export", f"oci:{images}:1-p", "out.tar").status == 0
    with tarfile.open("out.tar") as tar:
        content = tar.extractfile("etc/passwd")
        assert content is not None
        assert content.read() == PASSWD
    assert casemate("image", "export", f"oci:{images}:1-p", "out.tar").status == 2, "nothing is overwritten"
    found = casemate("image", "diff", f"oci:{images}:1-p", f"oci:{images}:2-p", "--json").data["differences"]
    assert [(each["path"], each["kind"]) for each in found] == [("/srv/text", "changed")]
    assert found[0]["after"]["digest"] == f"sha256:{hashlib.sha256(b'2').hexdigest()}"
    assert casemate("image", "diff", f"oci:{images}:1-p", f"oci:{images}:1-p").output == "They show the same.\n"


def test_a_secret_in_the_environment_is_pointed_out(casemate: Casemate, images: Path) -> None:
    write_image(images, "secret", [BASE], SECRET)
    words = ("image", "protect", f"oci:{images}:secret", f"oci:{images}:p", *TO)
    refused = casemate(*words, "--json")
    assert (refused.status, json.loads(refused.output)["error"]["step"]) == (102, "image.secrets")
    assert "hunter2" not in refused.output + refused.errors
    assert casemate(*words, "--keep-env", "DB_PASSWORD").status == 0


@pytest.mark.parametrize(("options", "status"), [((), 102), (("--arch", "amd64"), 0), (("--arch", "arm64"), 102)])
def test_of_several_architectures_one_with_a_shield_is_taken_if_it_is_named(
    casemate: Casemate, images: Path, options: tuple[str, ...], status: int
) -> None:
    made = {
        "linux/amd64": write_image(images, None, [BASE], PLAIN),
        "linux/arm64": write_image(images, None, [BASE], PLAIN, architecture="arm64"),
        "unknown/unknown": write_image(images, None, [BASE], PLAIN, architecture="unknown", os="unknown"),
    }
    write_index(images, "many", made)
    said = casemate("image", "protect", f"oci:{images}:many", f"oci:{images}:p", *TO, *options)
    assert said.status == status, said.errors
    assert ("Not protected" if status == 0 else "no shield") in said.errors
    assert "linux/arm64" in said.errors


def test_an_image_for_another_architecture_is_refused(casemate: Casemate, images: Path) -> None:
    write_image(images, "arm", [BASE], PLAIN, architecture="arm64")
    said = casemate("image", "protect", f"oci:{images}:arm", f"oci:{images}:p", *TO)
    assert (said.status, "linux/arm64" in said.errors) == (102, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--volume", "records"),
        ("--writable", "1"),
        ("--capability", "sys_admin"),
        ("--user", "app"),
        ("--hole", "x"),
        ("--policy", "records"),
    ],
)
def test_what_nobody_could_mean_is_refused_before_anything_is_read(
    casemate: Casemate, images: Path, words: tuple[str, str]
) -> None:
    said = casemate("image", "protect", "oci:nowhere:1", "oci:nowhere:2", *TO, *words)
    assert said.status == 2
    assert "nowhere" not in said.errors


def test_what_is_no_image_is_said_to_be_none(casemate: Casemate, images: Path) -> None:
    for image in ("oci:nowhere:1", f"oci:{images}:none"):
        assert casemate("image", "inspect", image).status == 2
    assert casemate("image", "inspect", f"oci:{images}:1").status == 102, "it is not protected"
    (images / "index.json").write_text("[]")
    assert casemate("image", "inspect", f"oci:{images}:1").status == 102


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) is root's")
def test_a_program_of_this_machine_becomes_an_image(casemate: Casemate, images: Path) -> None:
    words = ("image", "from-binary", "/bin/true", "/bin/false", f"oci:{images}:true", *TO, "--user", "5:6")
    made = casemate(*words, "--compare", f"oci:{images}:1", "--json").data
    assert made["compared_bytes"] > 0
    assert casemate(*words, "--json").data["digest"] == made["digest"]
    seen = casemate("image", "inspect", f"oci:{images}:true", "--json").data
    assert (seen["launch"]["entrypoint"], seen["launch"]["user"]) == ([real("/bin/true")], {"uid": 5, "gid": 6})
    casemate("image", "export", f"oci:{images}:true", "out.tar")
    Path("root").mkdir()
    subprocess.run(["tar", "--extract", "--file=out.tar", "--directory=root", "--no-same-owner"], check=True)
    for program, status in (("/bin/true", 0), ("/bin/false", 1)):
        assert subprocess.run(["chroot", "root", real(program)], check=False).returncode == status


def real(program: str) -> str:
    return str(Path(program).parent.resolve() / Path(program).name)


def layers_of(images: Path, tag: str) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = manifest_of(images, tag)[1]["layers"]
    return layers


def manifest_of(images: Path, tag: str) -> tuple[dict[str, Any], dict[str, Any]]:
    entries = json.loads((images / "index.json").read_text())["manifests"]
    entry = next(one for one in entries if one["annotations"]["org.opencontainers.image.ref.name"] == tag)
    return entry, json.loads((images / "blobs/sha256" / entry["digest"].removeprefix("sha256:")).read_bytes())


def rewrite(
    images: Path,
    tag: str,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    settings: dict[str, Any] | None = None,
) -> None:
    """What whoever can write to a registry can do: another manifest and configuration under the same name."""
    _, manifest = manifest_of(images, tag)
    manifest["layers"] = change(manifest["layers"])
    config_path = images / "blobs/sha256" / manifest["config"]["digest"].removeprefix("sha256:")
    config = json.loads(config_path.read_bytes())
    config["rootfs"]["diff_ids"] = [layer["digest"] for layer in manifest["layers"]]
    config["config"] |= settings or {}
    manifest["config"] |= stored(images, json.dumps(config).encode())
    entry = {"mediaType": manifest["mediaType"], **stored(images, json.dumps(manifest).encode())}
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (images / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def stored(images: Path, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (images / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}
