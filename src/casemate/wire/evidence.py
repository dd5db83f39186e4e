"""Evidence and endorsements as they travel (spec/evidence.md, "Wire form")."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from casemate.wire.fields import Bytes, Model

__all__ = ["MAX_CRLS", "Endorsements", "Evidence"]

MAX_CRLS = 8
"""A chain has three certificates; each issuer publishes one list."""


class Evidence(Model):
    format: Literal["nitro-document", "sev-snp-report"]
    report: Bytes


class Endorsements(Model):
    """`certificates` is the certificate table of the GHCB specification, `crls` are DER."""

    certificates: Bytes
    crls: Annotated[list[Bytes], Field(max_length=MAX_CRLS)]
