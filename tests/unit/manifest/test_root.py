"""The private root, as the builder collects it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from casemate.errors import ManifestError
from casemate.manifest import root as root_module
from casemate.manifest.closure import add_program
from casemate.manifest.root import Root
from casemate.wire.manifest import Directory, File, Symlink


def test_a_file_is_recorded_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"content")
    root = Root()
    root.add_file(path, inside="/data")
    entry = root.entries["/data"]
    assert isinstance(entry, File)
    assert entry.digest == f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    assert (entry.size, root.sources) == (7, {"/data": str(path)})


def test_set_id_bits_do_not_get_into_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "sudo"
    path.write_bytes(b"x")
    path.chmod(0o4755)
    root = Root()
    root.add_file(path, inside="/sudo")
    entry = root.entries["/sudo"]
    assert isinstance(entry, File)
    assert entry.mode == "0755"


def test_links_on_the_way_become_links_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "lib.so.1").write_bytes(b"x")
    (tmp_path / "real" / "lib.so").symlink_to("lib.so.1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    root = Root()
    root.add_path(tmp_path / "link" / "lib.so")
    kinds = {path.removeprefix(str(tmp_path)): type(entry) for path, entry in root.entries.items()}
    assert kinds == {"/link": Symlink, "/real/lib.so": Symlink, "/real/lib.so.1": File}


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ManifestError, match="too many links"):
        Root().add_path(tmp_path / "a")


def test_a_device_or_pipe_in_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ManifestError, match="device, socket or pipe"):
        Root().add_tree(tmp_path, inside="/x")


def test_what_is_missing_is_named_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist") as caught:
        Root().add_path(tmp_path / "nothing")
    assert caught.value.remedy == "install it first"


def test_one_path_cannot_be_two_things(tmp_path: Path) -> None:
    root = Root()
    root.add_symlink("/a", "b")
    with pytest.raises(ManifestError, match="two different things"):
        root.add_symlink("/a", "c")


def test_folders_may_be_named_twice() -> None:
    root = Root()
    root.add_directory("/a", 0o700)
    root.add_directory("/a", 0o555)
    assert isinstance(root.entries["/a"], Directory)


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_module, "MAX_ROOT_ENTRIES", 2)
    root = Root()
    root.add_symlink("/a", "x")
    root.add_symlink("/b", "x")
    with pytest.raises(ManifestError, match="too many files"):
        root.add_symlink("/c", "x")


def test_the_closure_of_a_program_has_its_loader_and_libc() -> None:
    root = Root()
    add_program(root, Path("/bin/ls"))
    names = {Path(path).name for path, entry in root.entries.items() if isinstance(entry, File)}
    assert {"ls", "libc.so.6", "ld-linux-x86-64.so.2"} <= names


def test_the_closure_of_a_script_has_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho\n")
    root = Root()
    add_program(root, script)
    assert str(Path("/bin/sh").resolve()) in root.entries
    assert str(script) in root.entries


def test_a_static_program_needs_only_itself() -> None:
    if not Path("/bin/busybox").exists():
        pytest.skip("no busybox-static here")
    root = Root()
    add_program(root, Path("/bin/busybox"))
    assert {Path(path).name for path, entry in root.entries.items() if isinstance(entry, File)} == {"busybox"}


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"#!\n", b"#!relative\n", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(80)]
)
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(ManifestError):
        add_program(Root(), path)
