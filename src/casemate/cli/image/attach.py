from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit
from casemate.cli.image._opening import opened_image
from casemate.cli.release._statement import load
from casemate.image import transport
from casemate.image.attach import attach as attached


def attach(
    source: Annotated[str, typer.Argument(help="A protected image.")],
    destination: Annotated[str, typer.Argument(help="Where the image with the statements goes; may be the same.")],
    statement: Annotated[list[Path], typer.Option(help="A release statement; may be repeated.")],
    as_json: Json = False,
) -> None:
    """Put release statements into a protected image, in place of those that it has. Its manifest stays the same.

    Example: `casemate image attach oci:api:1 oci:api:1 --statement records-1.4.json`
    """
    statements = [data for data, _ in map(load, statement)]
    with opened_image(source) as (read, opened, scratch):
        made = attached(read, opened, statements, scratch)
        with transport.open_target(destination, scratch=scratch) as target:
            descriptor, sent = made.write(target)
        result = {
            "image": destination,
            "digest": descriptor.digest,
            "manifest": opened.start.manifest.digest,
            "statements": len(statement),
            "sent": sent,
        }
    emit(result, as_json=as_json)
