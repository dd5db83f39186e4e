"""The image keys of this user: one for each service of each policy, below `$CASEMATE_HOME/image-keys`."""

from __future__ import annotations

from pathlib import Path

from casemate.cli._home import home
from casemate.cli._output import note
from casemate.errors import UsageError
from casemate.image import key
from casemate.wire.manifest import Manifest, PolicyBinding

__all__ = ["is_there", "key_of", "made_or_kept"]


def made_or_kept(given: Path | None, binding: PolicyBinding, *, quiet: bool) -> tuple[str, Path]:
    """The key that seals the service's images, and where it is; made the first time."""
    path = given or _own(binding)
    if not path.exists():
        if given is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.create(path)
        if not quiet:
            note(f"Image key made: {path}. Whoever reads it reads the image; without it, the same is not made again.")
    return key.load(path), path


def key_of(given: Path | None, manifest: Manifest) -> str | None:
    """The key of a protected image; None where its layers are not encrypted. Errors: UsageError."""
    if manifest.image is None or manifest.image.protection != "encrypted":
        return None
    path = _kept(given, manifest)
    if path is None:
        raise UsageError("where is the image's key?", remedy="name it with --key-file")
    return key.load(path)


def is_there(given: Path | None, manifest: Manifest) -> bool:
    """Whether everything of the image can be read here."""
    encrypted = manifest.image is not None and manifest.image.protection == "encrypted"
    return not encrypted or _kept(given, manifest) is not None


def _kept(given: Path | None, manifest: Manifest) -> Path | None:
    own = None if manifest.policy is None else _own(manifest.policy)
    return given or (own if own is not None and own.exists() else None)


def _own(binding: PolicyBinding) -> Path:
    """By the policy's genesis: another policy of the same name has other keys."""
    policy = binding.genesis.removeprefix("sha256:")[:32]
    return home() / "image-keys" / f"{policy}-{binding.service}.key"
