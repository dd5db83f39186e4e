from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.evidence._shown import lines, shown


def show(
    file: Annotated[
        Path,
        typer.Argument(
            help="Evidence: raw, as hex, as base64, in our JSON, wrapped (CMW), in a certificate (RA-TLS); or a result"
            " token. - is standard input."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show everything that a piece of evidence, or a result (EAR), says. Nothing of it is verified.

    Of a certificate, the extensions of TCG DICE, RFC 9999, Gramine, Contrast and dstack are named, and the evidence in
    them shown where it is of a format that is known. Example: `casemate evidence show report.bin`
    """
    fields, how = shown(read_bytes(file))
    end = f"Nothing of this is verified: casemate evidence {how}"
    emit(fields, as_json=as_json, text="\n".join([*lines(fields), "", end]))
