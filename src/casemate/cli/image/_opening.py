"""Opening the protected image that a person means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from casemate.errors import ImageRefusedError, InputError
from casemate.image import transport
from casemate.image.opened import Opened
from casemate.image.reading import Read, choose

__all__ = ["opened_image"]


@contextmanager
def opened_image(text: str) -> Iterator[tuple[Read, Opened, Path]]:
    """The image, what it is, and a folder for what is made of it meanwhile."""
    with TemporaryDirectory(prefix="casemate-image-") as folder:
        scratch = Path(folder)
        with transport.open_source(text, scratch=scratch) as source:
            read = choose(source, None)
            try:
                opened = read.opened()
            except InputError as error:
                raise ImageRefusedError(
                    f"the launch manifest in the image is none: {error.message}", step=error.step, got=error.got
                ) from error
            yield read, opened, scratch
