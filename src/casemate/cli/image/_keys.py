"""The image keys of this user: one for each service of each policy, below `$CASEMATE_HOME/image-keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from casemate.cli._service_keys import ServiceKeys
from casemate.errors import UsageError
from casemate.image import key
from casemate.wire.manifest import Manifest

__all__ = ["KEYS", "is_there", "key_of"]

KEYS: Final = ServiceKeys(
    "image-keys",
    key.create,
    key.load,
    "Image key made: {}. Whoever reads it reads the image; without it, the same is not made again.",
)


def key_of(given: Path | None, manifest: Manifest) -> str | None:
    """The key of a protected image; None where its layers are not encrypted. Errors: UsageError."""
    if manifest.image is None or manifest.image.protection != "encrypted":
        return None
    path = KEYS.kept(given, manifest.policy)
    if path is None:
        raise UsageError("where is the image's key?", remedy="name it with --key-file")
    return key.load(path)


def is_there(given: Path | None, manifest: Manifest) -> bool:
    """Whether everything of the image can be read here."""
    encrypted = manifest.image is not None and manifest.image.protection == "encrypted"
    return not encrypted or KEYS.kept(given, manifest.policy) is not None
