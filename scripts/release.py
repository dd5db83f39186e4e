"""`make release`: from a commit to the runtime's release, for whoever wants to see that one leads to the other.

1. The commit is what is built: a tree with changes is refused.
2. It is exported into two folders of different names and built in each, offline from one another's results.
3. The two shields are the same file, or there is no release.
4. Its bill of materials is written, and what each platform measures of it.
5. The statement names all of that, signed by those whom `--as` names; without any it says how to sign.

What the bytes depend on besides the commit, the compilers, is in build.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.simulator import launch
from scripts.sbom import bill_of_materials

__all__ = ["ReleaseError", "main", "same"]

ROOT: Final = Path(__file__).parent.parent
_PROGRAM: Final = "casemate-shield"
_BUILT: Final = Path("x86_64-unknown-linux-gnu") / "release" / _PROGRAM
_FOLDERS: Final = ("first", "second/in-a-folder-of-another-length")
_SECONDS: Final = 3600


class ReleaseError(Exception):
    """There is no release; the reason is for whoever asked for it."""


@dataclass(frozen=True)
class Commit:
    name: str
    seconds: int
    """Since 1970, when it was made."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make release", description="Builds the runtime's release, twice.")
    parser.add_argument("--as", dest="signers", action="append", default=[], help="an identity that signs")
    parser.add_argument("--valid-for", default="365d", help="how long the statement counts")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the release goes")
    given = parser.parse_args(arguments)
    try:
        _release(given.out, given.signers, given.valid_for)
    except (ReleaseError, subprocess.CalledProcessError, OSError) as error:
        _say(f"no release: {error}")
        return 1
    return 0


def _release(out: Path, signers: Sequence[str], valid_for: str) -> None:
    commit = _commit()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    target = out / f"casemate-{version}"
    if target.exists():
        raise ReleaseError(f"{target} is there already: move it away")
    _say(f"casemate {version}, commit {commit.name}")
    with tempfile.TemporaryDirectory(prefix="casemate-release-") as scratch:
        trees = [_exported(commit, Path(scratch) / folder) for folder in _FOLDERS]
        shields = [_built(tree, commit) for tree in trees]
        digest = same(*shields)
        _say(f"two builds, one shield: sha256:{digest}")
        bill = bill_of_materials(trees[0], _PROGRAM, commit=commit.name, committed=commit.seconds)
        made = Path(scratch) / "made"
        made.mkdir()
        shutil.copy(shields[0], made / _PROGRAM)
        (made / "sbom.cdx.json").write_bytes(bill)
        measured = _measured(made / _PROGRAM)
        (made / "build.txt").write_text(_build_record(commit, digest, measured))
        _state(made, version, commit, digest, measured, signers, valid_for)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, target)
    for file in sorted(target.iterdir()):
        _say(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}")


def same(first: Path, second: Path) -> str:
    """The SHA-256 of both; `ReleaseError` where they differ: then the build depends on more than the tree."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    if digests[0] != digests[1]:
        raise ReleaseError(f"two builds of one commit differ: sha256:{digests[0]}, sha256:{digests[1]}")
    return digests[0]


def _commit() -> Commit:
    if _git("status", "--porcelain"):
        raise ReleaseError("the tree has changes: commit them, since a release is of a commit")
    return Commit(_git("rev-parse", "HEAD"), int(_git("show", "-s", "--format=%ct", "HEAD")))


def _exported(commit: Commit, folder: Path) -> Path:
    """The commit's files alone: nothing that only lies in somebody's working tree."""
    folder.mkdir(parents=True)
    archive = subprocess.Popen(["git", "archive", commit.name], cwd=ROOT, stdout=subprocess.PIPE)
    with archive, tarfile.open(fileobj=archive.stdout, mode="r|") as tar:
        tar.extractall(folder, filter="data")
    if archive.returncode:
        raise ReleaseError("git cannot export the commit")
    return folder


def _built(tree: Path, commit: Commit) -> Path:
    start = time.monotonic()
    command = ["cargo", "build", "--release", "--locked", "--package", _PROGRAM, "--target-dir", str(tree / "target")]
    done = subprocess.run(
        command, cwd=tree, env=_environment(tree, commit), capture_output=True, text=True, timeout=_SECONDS
    )
    if done.returncode:
        raise ReleaseError(f"the build failed:\n{done.stderr[-4000:]}")
    _say(f"built in {time.monotonic() - start:.0f} s: {tree.name}")
    return tree / "target" / _BUILT


def _environment(tree: Path, commit: Commit) -> dict[str, str]:
    """Where the sources lie, here and on the next machine, must not get into the file."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").absolute()
    sources = sorted((home / "registry" / "src").glob("*"))
    remapped = [(str(folder), "/sources") for folder in sources] + [(str(tree), "/casemate")]
    flags = ["-C", "target-feature=+crt-static"]
    flags += [word for path, name in remapped for word in ("--remap-path-prefix", f"{path}={name}")]
    of_c = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in remapped)
    return {
        **os.environ,
        # Instead of those in .cargo/config.toml: cargo takes one or the other. \x1f is cargo's separator.
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CFLAGS": of_c,
        "SOURCE_DATE_EPOCH": str(commit.seconds),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def _build_record(commit: Commit, digest: str, measured: Sequence[tuple[str, str]]) -> str:
    lines = [f"commit {commit.name}", f"shield sha256:{digest}"]
    lines += [f"measured on {platform}: {value}" for platform, value in measured]
    for command in (["rustc", "--version"], ["cargo", "--version"], ["cc", "--version"], ["ld", "--version"]):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines.append(f"{command[0]}: {said.splitlines()[0]}")
    return "\n".join(lines) + "\n"


def _measured(shield: Path) -> list[tuple[str, str]]:
    """By platforms that measure the shield itself. Guests of real ones boot more than it (LIMITATIONS.md)."""
    return [
        ("simulated", launch.measure(shield)),
        ("simulated-container", launch.measure(shield, containers=True)),
    ]


def _state(
    made: Path,
    version: str,
    commit: Commit,
    digest: str,
    measured: Sequence[tuple[str, str]],
    signers: Sequence[str],
    valid_for: str,
) -> None:
    command = [str(Path(sys.executable).parent / "casemate"), "release", "create", "casemate", version]
    for platform, value in measured:
        command += ["--measured", f"{platform}={value}"]
    bill = hashlib.sha256((made / "sbom.cdx.json").read_bytes()).hexdigest()
    for name, text in (
        ("source", f"gitCommit:{commit.name}"),
        ("shield", f"sha256:{digest}"),
        ("sbom", f"sha256:{bill}"),
    ):
        command += ["--reference", f"{name}={text}"]
    command += ["--valid-for", valid_for, "--out"]
    if not signers:
        _say(f"to sign it: {' '.join(command)} release.json --as NAME")
        return
    signed = [word for name in signers for word in ("--as", name)]
    done = subprocess.run([*command, str(made / "release.json"), *signed], capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"the statement cannot be signed: {done.stderr.strip()}")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
