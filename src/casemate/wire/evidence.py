"""Evidence and endorsements as they travel (spec/evidence.md, "Wire form")."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from casemate.wire.fields import Bytes, Model

__all__ = ["MAX_CRLS", "MAX_DOCUMENTS", "NO_ENDORSEMENTS", "Endorsements", "Evidence"]

MAX_CRLS = 8
"""A chain has three certificates; each issuer publishes one list."""
MAX_DOCUMENTS = 4


class Evidence(Model):
    """`report` is what the platform signed, with its signature; `log` what was extended into its registers, where there
    is one: the event log of the TCG.
    """

    format: Literal["nitro-document", "sev-snp-report", "sgx-quote", "tdx-quote", "tpm-quote"]
    report: Bytes
    log: Bytes | None = None


class Endorsements(Model):
    """`certificates` is the certificate table of the GHCB specification for an SEV-SNP report, else PEM, one after the
    other, in any order. `crls` are DER. `documents` are what a vendor signed besides, as it sends them: of Intel, TCB
    info and the identity of the quoting enclave, in JSON.
    """

    certificates: Bytes
    crls: Annotated[list[Bytes], Field(max_length=MAX_CRLS)]
    # Left out where there are none: in certificates, each thing has one spelling.
    documents: list[Bytes] = Field(default_factory=list, max_length=MAX_DOCUMENTS, exclude_if=lambda them: not them)


NO_ENDORSEMENTS: Final = Endorsements(certificates=b"", crls=[])
"""Of evidence that brings everything along, or of which nothing came."""
