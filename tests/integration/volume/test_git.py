"""git on a sealed volume: many small files, renames over files, locks by O_EXCL, mapped packs."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from .conftest import Sealed, program

COMMITS = 40


class Git:
    """A repository; its settings come from nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        nowhere = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        self._environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **names, **nowhere}

    def __call__(self, *arguments: object) -> str:
        line = ["git", "-c", "core.fsync=all", *map(str, arguments)]
        done = subprocess.run(line, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


def _history(git: Git) -> None:
    """Files that appear, change, move and go."""
    chance = random.Random(7)
    git("init", "--quiet", "--initial-branch=main")
    for number in range(COMMITS):
        folder = git.folder / f"part-{number % 7}" / "inner"
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            (folder / f"file-{chance.randrange(40)}").write_bytes(chance.randbytes(chance.randrange(20_000)))
        with (git.folder / "log").open("a") as log:
            log.write(f"{number}\n")
        if number % 9 == 8:
            git("mv", f"part-{number % 7}", f"moved-{number}")
        git("add", "--all")
        git("commit", "--quiet", "--message", f"number {number}")


@pytest.fixture
def git(sealed: Sealed) -> Git:
    program("git")
    sealed.mount()
    folder = sealed.mountpoint / "original"
    folder.mkdir()
    made = Git(folder)
    _history(made)
    return made


def test_a_repository_stays_whole_through_gc_and_the_next_mount(sealed: Sealed, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    git("gc", "--quiet", "--aggressive", "--prune=now")
    git("fsck", "--full", "--strict")
    assert sealed.unmount().returncode == 0
    sealed.mount()
    git("fsck", "--full", "--strict")
    assert git("rev-parse", "HEAD") == head
    assert git("rev-list", "--count", "HEAD").strip() == str(COMMITS)


def test_the_index_trusts_times_and_inodes_across_mounts(sealed: Sealed, git: Git) -> None:
    """Were they others after a mount, git would read each file again; its index says which it had to."""
    git("status")
    assert sealed.unmount().returncode == 0
    sealed.mount()
    assert git("diff-files", "--name-only") == ""
    assert git("status", "--porcelain") == ""


def test_a_clone_with_links_is_complete(sealed: Sealed, git: Git) -> None:
    git("gc", "--quiet")
    git("clone", "--quiet", "--local", git.folder, sealed.mountpoint / "clone")
    clone = Git(sealed.mountpoint / "clone")
    packs = list((clone.folder / ".git" / "objects" / "pack").glob("*.pack"))
    assert [pack.stat().st_nlink for pack in packs] == [2]
    clone("fsck", "--full", "--strict")
    (clone.folder / "more").write_text("more\n")
    clone("add", "more")
    clone("commit", "--quiet", "--message", "more")
    git("pull", "--quiet", clone.folder, "main")
    assert (git.folder / "more").read_text() == "more\n"


def test_a_mount_that_dies_leaves_a_whole_repository(sealed: Sealed, git: Git) -> None:
    """git flushes files, and renames them into their place without flushing the folder: its newest move may be lost."""
    sealed.unmount()
    pid = sealed.mount()["pid"]
    heads = [_commit(git, "flushed")]
    _fsync(git.folder / ".git" / "refs" / "heads")
    heads.append(_commit(git, "last"))
    sealed.kill(pid)
    sealed.mount()
    assert git("rev-parse", "HEAD") in heads
    git("fsck", "--full", "--strict")
    assert git("show", "HEAD:flushed") == "flushed\n"


def _commit(git: Git, name: str) -> str:
    (git.folder / name).write_text(f"{name}\n")
    git("add", name)
    git("commit", "--quiet", "--message", name)
    return git("rev-parse", "HEAD")


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
