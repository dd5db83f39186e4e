"""Kinds of blobs that an image may be made of; all others are refused by their names, before a byte of them is read."""

from __future__ import annotations

from casemate.errors import ImageRefusedError
from casemate.image.oci import CONFIG_TYPES, LAYER_TYPES, Descriptor

__all__ = ["check_config", "check_layer"]


def check_config(descriptor: Descriptor) -> None:
    """Errors: ImageRefusedError for what registries keep besides images."""
    if descriptor.media_type not in CONFIG_TYPES:
        raise ImageRefusedError(
            "this is no image of a file system, but something else that registries keep", step="image.document",
            expected=", ".join(sorted(CONFIG_TYPES)), got=descriptor.media_type[:200],
        )  # fmt: skip


def check_layer(descriptor: Descriptor) -> None:
    """Errors: ImageRefusedError, with what kind of layer it is."""
    kind = descriptor.media_type
    if kind in LAYER_TYPES:
        return
    if "+encrypted" in kind:
        why = "a layer of the image is encrypted for somebody"
        remedy = "decrypt it with that key, then protect the result: skopeo copy --decryption-key KEY"
    elif ".nondistributable." in kind or ".foreign." in kind:
        why, remedy = "a layer of the image is not to be distributed: it is not where the image is", None
    else:
        why, remedy = "a layer of the image is of a kind that is not known", None
    raise ImageRefusedError(
        why, step="image.layers", expected=", ".join(sorted(LAYER_TYPES)), got=kind[:200],
        remedy=remedy or "build the image with layers of tar, gzip or zstd",
    )  # fmt: skip
