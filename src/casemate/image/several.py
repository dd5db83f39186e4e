"""Which image of an index is meant (OCI image specification, "Image Index").

Images for platforms without a shield are passed by only if somebody says which architecture is meant: who protects an
image for two and gets one shall know. What builders and signers keep beside images is none, and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from casemate.errors import ImageRefusedError
from casemate.image.oci import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Index, Platform

__all__ = ["ARCHITECTURES", "SYSTEM", "meant", "no_shield"]

ARCHITECTURES: Final = ("amd64",)
"""Those that have a shield."""
SYSTEM: Final = "linux"
_NO_IMAGE: Final = "unknown"
"""The system that builders give to what they say about images."""
_ABOUT: Final = "vnd.docker.reference.type"
"""The annotation of the same."""


def meant(index: Index, architecture: str | None) -> tuple[Descriptor, list[str]]:
    """The one image, and the platforms of those that were passed by. Errors: ImageRefusedError."""
    if any(entry.media_type in INDEX_TYPES for entry in index.manifests):
        raise ImageRefusedError(
            "the image's index holds an index",
            step="image.document",
            remedy="name the image that is meant by its digest",
        )
    images = [(_platform(entry), entry) for entry in index.manifests if _is_image(entry)]
    names = ["/".join(part for part in (one.os, one.architecture, one.variant) if part) for one, _ in images]
    wanted = [architecture] if architecture is not None else ARCHITECTURES
    found = [entry for one, entry in images if one.os == SYSTEM and one.architecture in wanted]
    if not found or (architecture is None and len(found) < len(images)) or architecture not in {None, *ARCHITECTURES}:
        raise no_shield(names)
    if len(found) > 1:
        raise ImageRefusedError(
            "the image's index has several for one platform", step="image.architecture", got=", ".join(names)[:300],
            remedy="name the image that is meant by its digest",
        )  # fmt: skip
    return found[0], [name for name, (_, entry) in zip(names, images, strict=True) if entry is not found[0]]


def no_shield(got: Sequence[str]) -> ImageRefusedError:
    """What is said of platforms that have none."""
    has_one = any(name.split("/")[:2] == [SYSTEM, one] for name in got for one in ARCHITECTURES)
    return ImageRefusedError(
        "no shield for all that this image is for",
        step="image.architecture",
        expected=", ".join(f"{SYSTEM}/{one}" for one in ARCHITECTURES),
        got=", ".join(got)[:300] or "no image at all",
        remedy=f"protect the one that has a shield: --arch {ARCHITECTURES[0]}"
        if has_one
        else f"build it for {SYSTEM}/{ARCHITECTURES[0]}",
    )


def _is_image(entry: Descriptor) -> bool:
    """Statements about images and other artifacts lie in indexes, too."""
    about = entry.artifact_type is not None or _ABOUT in (entry.annotations or {})
    return entry.media_type in MANIFEST_TYPES and not about and _platform(entry).os != _NO_IMAGE


def _platform(entry: Descriptor) -> Platform:
    """Nothing said is what this runs on; the configuration has to say the same."""
    return entry.platform or Platform(os=SYSTEM, architecture=ARCHITECTURES[0])
