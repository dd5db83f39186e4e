"""What `casemate run` starts: a manifest that was built here, or the one in a protected image, with its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from casemate.cli.manifest._find import find
from casemate.cli.manifest._options import reference
from casemate.errors import UsageError
from casemate.manifest.build import Built
from casemate.wire.manifest import ParsedManifest

__all__ = ["manifest_of", "runnable"]


@contextmanager
def runnable(which: str, image: str | None) -> Iterator[tuple[Built, dict[str, str], list[bytes]]]:
    """The manifest, the files of its layers by their roots, and the release statements in the image, as long as the
    block lasts.

    Errors: UsageError where the image is not for `which`, and those of opening it.
    """
    if image is None:
        built = find(which)
        if built.parsed.manifest.image is not None:
            raise UsageError(
                "this manifest's root is an image", remedy="say where the image is: --image oci:FOLDER:TAG"
            )
        yield built, {}, []
        return
    # What reads images talks to registries as well: it is loaded by those who name one.
    from casemate.cli.image._opening import opened_image

    with opened_image(image) as (read, opened, _):
        parsed = opened.start.manifest
        _check_meant(which, parsed)
        # The shield reads what it needs, when it does, and holds each byte against the roots of the manifest.
        files = opened.files(read.fetch_unverified)
        layers = {root: str(path.absolute()) for root, path in files.items()}
        yield Built(parsed, {}), layers, list(opened.start.statements)


def manifest_of(which: str, image: str | None) -> ParsedManifest:
    """The manifest alone. Errors: as `runnable`."""
    if image is None:
        return find(which).parsed
    from casemate.cli.image._opening import opened_image

    with opened_image(image) as (_, opened, _):
        _check_meant(which, opened.start.manifest)
        return opened.start.manifest


def _check_meant(which: str, parsed: ParsedManifest) -> None:
    policy = parsed.manifest.policy
    if "#" in which:
        expected = "#".join(reference(which))
        got = f"{policy.name}#{policy.service}" if policy else "no policy"
    else:
        expected, got = find(which).parsed.digest, parsed.digest
    if got != expected:
        raise UsageError("the image is for something else", expected=expected, got=got, remedy="name its own service")
