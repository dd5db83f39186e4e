"""Images are protected: what runs is fixed, nothing of it is to be seen, and nothing of it is lost."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from casemate.errors import ImageRefusedError, ImageTamperedError, ManifestError
from casemate.image import shape
from casemate.image.health import Check
from casemate.image.layout import Layout
from casemate.image.opened import Opened, open_image
from casemate.image.protect import Protected
from casemate.image.reading import choose
from casemate.image.settings import Settings
from casemate.testing.images import archive, member, write_image
from casemate.wire.manifest import CAPABILITIES

from .conftest import BASE, GROUP, KEY, TOP, WANTED, Work, names

OTHER_KEY = KEY.replace("B", "C")


def test_what_goes_in_comes_out(work: Work) -> None:
    protected = work.protect(work.original(work.layer(BASE), work.layer(TOP, compress=True)))
    with tarfile.open(work.exported(protected)) as tar:
        said = {member.name: member for member in tar}
        content = tar.extractfile("etc/group")
        assert content is not None
        assert content.read() == GROUP
    assert said["bin/server"].mode == 0o755
    assert said["srv/plaintext-name"].size == 17_000
    assert "data/already" not in said


def test_the_manifest_says_what_the_configuration_said(work: Work) -> None:
    work.settings = Settings(
        environment={"LANG": "C"}, entrypoint=["server", "-v"], arguments=["x"], user="app:0",
        working_directory="/srv", volumes=["/data", "/new"],
    )  # fmt: skip
    protected = work.protect(work.original(work.layer(BASE), work.layer(TOP)), replace(WANTED, writable=4096))
    manifest = protected.launch.parsed.manifest
    assert manifest.entrypoint == ["/bin/server", "-v"]
    assert manifest.arguments == ["x"]
    assert manifest.environment == {"PATH": Settings().search_path, "HOME": "/home/app", "LANG": "C"}
    assert manifest.user is not None
    assert (manifest.user.uid, manifest.user.gid, manifest.capabilities) == (1000, 0, None)
    assert manifest.working_directory == "/srv"
    assert [(one.path, one.mode) for one in manifest.writable] == [("/data", "1777"), ("/new", "0755")]
    assert manifest.image is not None
    assert manifest.image.layers == [one.root for one in protected.sealed]
    assert (manifest.image.protection, manifest.image.writable) == ("encrypted", 4096)


def test_root_keeps_what_images_of_root_need_and_nobody_else_does(work: Work) -> None:
    original = work.original(work.layer(BASE))
    assert work.protect(original).launch.parsed.manifest.capabilities == list(CAPABILITIES)
    none = work.protect(original, replace(WANTED, capabilities=()))
    assert none.launch.parsed.manifest.capabilities is None


def test_a_volume_takes_the_place_of_a_folder_in_memory(work: Work) -> None:
    work.settings = replace(work.settings, volumes=["/data"])
    made = work.protect(work.original(work.layer(BASE)), replace(WANTED, volumes=["/data"])).launch
    assert made.parsed.manifest.volume_paths == ["/data"]
    assert made.parsed.manifest.writable == []
    hiding = work.protect(work.original(work.layer(BASE))).launch
    assert hiding.hidden == ["/data"]


def test_only_what_everybody_may_know_is_in_the_configuration(work: Work) -> None:
    work.settings = Settings(environment={"GREETING": "plaintext"}, entrypoint=["/bin/server"], user="app")
    visible = {"Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT"}
    protected = work.protect(work.original(work.layer(BASE), created="2020-01-02T03:04:05Z", visible=visible))
    config = json.loads(protected.config)
    assert config["config"] == {**visible, "Entrypoint": ["/casemate/shield", "--container"]}
    assert config["created"] == "2020-01-02T03:04:05Z"
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 3


def test_nothing_of_an_encrypted_image_is_in_its_blobs(work: Work) -> None:
    for key, shown in ((None, True), (KEY, False)):
        wanted = replace(WANTED, protection="encrypted" if key else "authenticated")
        protected = work.protect(work.original(work.layer(BASE), work.layer(TOP)), wanted, key)
        found = any(
            word in blob.path.read_bytes()
            for blob in protected.layers[1:-1]
            for word in (b"plaintext-name", b"plaintext-content", b"passwd")
        )
        assert found is shown


def test_the_same_input_and_key_give_the_same_image(work: Work) -> None:
    one, again, other = (
        work.protect(work.original(work.layer(BASE), work.layer(TOP, compress=True)), key=key)
        for key in ("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",) * 2
        + ("CwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",)
    )
    assert (one.manifest, one.config) == (again.manifest, again.config)
    assert [blob.digest for blob in one.layers] == [blob.digest for blob in again.layers]
    assert {blob.digest for blob in one.layers} & {blob.digest for blob in other.layers} == {one.layers[0].digest}


def test_a_new_top_leaves_the_blobs_below_as_they_were(work: Work) -> None:
    first = work.protect(work.original(work.layer(BASE), work.layer(TOP)))
    second = work.protect(work.original(work.layer(BASE), work.layer(archive(member("new", b"x")))))
    assert [blob.digest for blob in first.layers][:2] == [blob.digest for blob in second.layers][:2]


def test_a_layer_that_comes_again_is_there_once_and_nothing_changes(work: Work) -> None:
    top = archive(member("etc/.wh.group"), member("bin/server", b"other", 0o755))
    protected = work.protect(work.original(work.layer(BASE), work.layer(top), work.layer(BASE, compress=True)))
    assert len(protected.sealed) == 2
    with tarfile.open(work.exported(protected)) as tar:
        content = tar.extractfile("bin/server")
        assert content is not None
        assert content.read() == b"#!/bin/true\n"
        assert "etc/group" in tar.getnames()


def test_archives_of_one_content_are_one_layer(work: Work) -> None:
    protected = work.protect(work.original(work.layer(BASE), work.layer(TOP), work.layer(BASE + bytes(512))))
    assert len(protected.sealed) == 2


def test_a_layer_that_somebody_changed_in_its_folder_is_refused(work: Work, tmp_path: Path) -> None:
    """Not compressed it has one digest for the manifest and for what is unpacked: it is read once."""
    folder = tmp_path / "layout"
    write_image(folder, "1", [BASE], {"Cmd": ["/bin/server"], "User": "app"}, compress=False)
    original = choose(Layout(folder, "1"), None).original()
    assert work.protect(original).sealed
    for blob in (folder / "blobs" / "sha256").iterdir():
        if blob.stat().st_size == len(BASE):
            blob.write_bytes(BASE[:-1] + b"x")
    with pytest.raises(ImageTamperedError, match="the archive hashes to"):
        work.protect(original)


def test_a_layer_that_the_configuration_does_not_name_is_refused(work: Work) -> None:
    with pytest.raises(ImageTamperedError, match="the archive hashes to"):
        work.protect(work.original(work.layer(BASE, diff_id="sha256:" + "0" * 64)))


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (archive(member("../outside", b"x")), "lead out of the image"),
        (archive(member("link", type=tarfile.SYMTYPE, linkname="/etc"), member("link/passwd", b"x")), "through"),
        (archive(member("name", type=tarfile.LNKTYPE, linkname="/etc/shadow")), "hard link"),
        (b"\x1f\x8b no archive", "cannot be read"),
    ],
)
def test_hostile_archives_are_refused(work: Work, hostile: bytes, reason: str) -> None:
    with pytest.raises(ImageRefusedError, match=reason):
        work.protect(work.original(work.layer(BASE), work.layer(hostile)))


def test_an_image_without_its_program_or_its_user_is_refused(work: Work) -> None:
    with pytest.raises(ImageRefusedError, match="no program server"):
        work.protect(work.original(work.layer(TOP)))
    work.settings = replace(work.settings, user="nobody")
    with pytest.raises(ImageRefusedError, match="nobody"):
        work.protect(work.original(work.layer(BASE)))


def test_a_secret_is_never_left_silently(work: Work) -> None:
    work.settings = replace(work.settings, environment={"DB_PASSWORD": "hunter2"})
    original = work.original(work.layer(BASE))
    with pytest.raises(ImageRefusedError, match="DB_PASSWORD") as caught:
        work.protect(original)
    assert "hunter2" not in str(caught.value.diagnostics())
    hidden = work.protect(original, replace(WANTED, hide=True))
    assert hidden.launch.secrets == {"DB_PASSWORD": "hunter2"}
    assert hidden.launch.parsed.manifest.environment["DB_PASSWORD"] == "{{ hole.DB_PASSWORD }}"
    assert not any(b"hunter2" in blob.path.read_bytes() for blob in hidden.layers)
    kept = work.protect(original, replace(WANTED, keep=["DB_PASSWORD"]))
    assert kept.launch.parsed.manifest.environment["DB_PASSWORD"] == "hunter2"


def test_what_no_manifest_can_say_is_refused_with_the_reason(work: Work) -> None:
    work.settings = replace(work.settings, environment={"odd.name": "x"})
    with pytest.raises(ManifestError, match="environment"):
        work.protect(work.original(work.layer(BASE)))
    work.settings = replace(work.settings, environment={}, arguments=["{{ .Template }}"])
    with pytest.raises(ManifestError, match="hole"):
        work.protect(work.original(work.layer(BASE)))


def test_what_the_shield_is_started_with_is_read_back(work: Work, tmp_path: Path) -> None:
    protected = work.protect(work.original(work.layer(BASE)))
    start = shape.read_start(protected.layers[-1].path.read_bytes())
    assert start.manifest == protected.launch.parsed
    assert (start.genesis, list(start.addresses)) == (b"genesis", ["http://127.0.0.1:7700"])
    shape.read_shield(protected.layers[0].path.read_bytes(), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == work.shield.read_bytes()
    assert names(protected.layers[-1].path) == [
        "casemate", "casemate/custodian.json", "casemate/manifest.json", "casemate/mounts", "casemate/volumes",
    ]  # fmt: skip


def test_a_health_check_is_measured_and_the_engine_only_asks_for_it(work: Work) -> None:
    work.settings = replace(
        work.settings, health=Check(["server", "--ping"], {"Interval": 7, "Timeout": 2_000_000_000})
    )
    protected = work.protect(work.original(work.layer(BASE)))
    found = protected.launch.parsed.manifest.health
    assert found is not None
    assert (found.command, found.timeout) == (["/bin/server", "--ping"], 2_000)
    told = json.loads(protected.config)["config"]["Healthcheck"]
    assert told == {"Test": ["CMD", "/casemate/shield", "--health"], "Interval": 7, "Timeout": 2_000_000_000}


def test_a_health_check_whose_program_is_not_there_is_left_out_and_named(work: Work) -> None:
    work.settings = replace(work.settings, health=Check(["curl", "http://127.0.0.1"], {}))
    protected = work.protect(work.original(work.layer(BASE)))
    assert protected.launch.parsed.manifest.health is None
    assert protected.launch.unchecked == "curl"
    assert "Healthcheck" not in json.loads(protected.config)["config"]


@pytest.mark.parametrize("measured", [True, False])
def test_engine_and_manifest_agree_on_whether_there_is_a_health_check(work: Work, measured: bool) -> None:
    check = Check(["server"], {}) if measured else None
    work.settings = replace(work.settings, health=check)
    protected = work.protect(work.original(work.layer(BASE)))
    assert opened(protected, protected.config).question == (check.question() if check else None)
    config = json.loads(protected.config)
    for other in ({"Test": ["CMD", "/bin/sh"]}, None if measured else Check(["server"], {}).question()):
        config["config"]["Healthcheck"] = other
        with pytest.raises(ImageRefusedError, match="no protected image"):
            opened(
                protected, json.dumps({**config, "config": {k: v for k, v in config["config"].items() if v}}).encode()
            )


def opened(protected: Protected, config: bytes) -> Opened:
    by_digest = {blob.digest: blob.path for blob in protected.layers}
    return open_image(protected.manifest, config, lambda part, _limit: by_digest[part.digest].read_bytes())
