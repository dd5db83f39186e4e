"""Access control lists: the kernel decides by them on a mount for several users, and modes follow them on each."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Sealed

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
OWNER, USER, OWNING_GROUP, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
ANNA, BEN = 4001, 4002
"""Users that are nobody's here."""


def acl(*entries: tuple[int, int] | tuple[int, int, int]) -> bytes:
    """As linux/posix_acl_xattr.h has it: version 2, then tag, permissions, id."""
    rows = [entry if len(entry) == 3 else (*entry, NOBODY) for entry in entries]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


FOR_ANNA = acl((OWNER, 7), (USER, 6, ANNA), (OWNING_GROUP, 4), (MASK, 6), (OTHERS, 0))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture(params=["alone", "shared"])
def root(request: pytest.FixtureRequest, open_to_all: Sealed) -> Path:
    """Mounts of both kinds: root's own, where nobody is checked, and one for all users."""
    if os.getuid():
        pytest.skip("only root mounts for other users")
    open_to_all.mount(*(["--shared"] if request.param == "shared" else []))
    return open_to_all.mountpoint


@contextmanager
def _acting_as(user: int, group: int) -> Iterator[None]:
    """The kernel asks for effective ids alone; what root may do goes with them."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _tries(user: int, path: Path, how: str) -> str | None:
    """What another user is told who opens a file."""
    with _acting_as(user, user):
        try:
            path.open(how).close()
        except OSError as error:
            return error.strerror
    return None


def test_a_list_changes_the_mode_and_the_mode_the_list(root: Path) -> None:
    file = root / "file"
    file.touch(0o600)
    os.setxattr(file, ACCESS, FOR_ANNA)
    assert mode(file) == 0o760, "the mask stands where the group is"
    file.chmod(0o645)
    assert os.getxattr(file, ACCESS) == acl((OWNER, 6), (USER, 6, ANNA), (OWNING_GROUP, 4), (MASK, 4), (OTHERS, 5))


def test_a_list_that_says_what_a_mode_says_is_only_a_mode(root: Path) -> None:
    file = root / "file"
    file.touch(0o600)
    os.setxattr(file, ACCESS, FOR_ANNA)
    os.setxattr(file, ACCESS, acl((OWNER, 6), (OWNING_GROUP, 4), (OTHERS, 4)))
    assert mode(file) == 0o644
    assert ACCESS not in os.listxattr(file)


def test_what_is_new_inherits_and_the_umask_does_not_count(root: Path) -> None:
    folder = root / "folder"
    folder.mkdir()
    os.setxattr(folder, DEFAULT, acl((OWNER, 7), (USER, 7, ANNA), (OWNING_GROUP, 5), (MASK, 7), (OTHERS, 0)))
    before = os.umask(0o077)
    try:
        os.close(os.open(folder / "file", os.O_CREAT | os.O_WRONLY, 0o664))
        (folder / "below").mkdir(0o777)
        (root / "plain").touch(0o666)
    finally:
        os.umask(before)
    assert mode(folder / "file") == 0o660
    masked = acl((OWNER, 6), (USER, 7, ANNA), (OWNING_GROUP, 5), (MASK, 6), (OTHERS, 0))
    assert os.getxattr(folder / "file", ACCESS) == masked
    assert DEFAULT not in os.listxattr(folder / "file")
    assert mode(folder / "below") == 0o770
    assert os.getxattr(folder / "below", DEFAULT) == os.getxattr(folder, DEFAULT)
    assert os.getxattr(folder / "below", ACCESS) == os.getxattr(folder, DEFAULT)
    assert mode(root / "plain") == 0o600, "without a list, the umask counts"


def test_lists_are_there_after_the_next_mount_and_go_when_they_are_removed(root: Path, open_to_all: Sealed) -> None:
    file = root / "file"
    file.touch()
    os.setxattr(file, ACCESS, FOR_ANNA)
    assert open_to_all.unmount().returncode == 0
    open_to_all.mount()
    assert (os.getxattr(file, ACCESS), mode(file)) == (FOR_ANNA, 0o760)
    os.removexattr(file, ACCESS)
    os.removexattr(file, ACCESS)
    assert ACCESS not in os.listxattr(file)


@pytest.mark.parametrize("root", ["shared"], indirect=True)
def test_the_kernel_decides_by_the_list(root: Path) -> None:
    root.chmod(0o755)
    file = root / "file"
    file.write_text("content")
    file.chmod(0o600)
    os.setxattr(file, ACCESS, FOR_ANNA)
    assert [_tries(user, file, "r+") for user in (ANNA, BEN)] == [None, "Permission denied"]
    file.chmod(0o640)
    assert [_tries(ANNA, file, how) for how in ("r", "r+")] == [None, "Permission denied"]
    os.removexattr(file, ACCESS)
    assert _tries(ANNA, file, "r") == "Permission denied"


@pytest.mark.parametrize("root", ["shared"], indirect=True)
def test_who_is_not_of_the_group_takes_set_group_id_with_a_list(root: Path) -> None:
    root.chmod(0o777)
    for group, kept in ((ANNA, 0o2000), (BEN, 0)):
        file = root / f"file-{group}"
        file.touch()
        os.chown(file, ANNA, ANNA)
        file.chmod(0o2755)
        with _acting_as(ANNA, group):
            os.setxattr(file, ACCESS, FOR_ANNA)
        assert mode(file) == 0o760 | kept


def test_what_is_no_list_is_refused(root: Path) -> None:
    file = root / "file"
    file.touch()
    without_mask = acl((OWNER, 7), (USER, 6, ANNA), (OWNING_GROUP, 4), (OTHERS, 0))
    for wrong in (without_mask, FOR_ANNA[:-1], b"\1\0\0\0"):
        with pytest.raises(OSError, match=r"Invalid argument|not supported"):
            os.setxattr(file, ACCESS, wrong)
    with pytest.raises(PermissionError):
        os.setxattr(file, DEFAULT, FOR_ANNA)
