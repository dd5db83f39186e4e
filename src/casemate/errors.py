"""Every error that Casemate raises on purpose.

The tree, with the exit code that the command line ends with. Codes are never reused; spec/exit-codes.md is
generated from here.

    CasemateError                       1
    ├── UsageError                      2    the command was called wrongly
    ├── InputError                     10    bytes that nobody could have meant
    │   ├── TooLargeError              11    over a documented limit
    │   ├── MalformedError             12    not of the documented form
    │   └── NotCanonicalError          13    signed or hashed JSON that is not RFC 8785
    ├── EvidenceError                  20    evidence is not believed
    │   ├── EvidenceMalformedError     21    not a report
    │   ├── EndorsementError           22    certificates or revocation lists are missing, wrong or out of date
    │   ├── SignatureError             23    a signature does not verify
    │   └── EvidenceRejectedError      24    genuine, but of a platform or state that is never accepted (debug, …)
    ├── PolicyError                    30    a policy document says something that cannot be
    │   ├── PolicySyntaxError          31    with line and column
    │   ├── NotAuthorisedError         32    the signatures do not satisfy the access rule
    │   ├── ConflictError              33    a newer version, an older namespace owner, a repeat
    │   ├── DeniedError                34    the policy does not admit this workload
    │   ├── TemplateError              35    a template names what is not there
    │   └── SecretError                36    a secret cannot be made, changed or opened
    ├── ManifestError                  40    a launch manifest or its closure is wrong
    ├── CustodianError                 50    talking to a custodian
    │   ├── UnreachableError           51    no answer
    │   ├── NotGenuineError            52    an answer, but not from the custodian that was pinned
    │   ├── RefusedError               53    a genuine refusal
    │   └── NotFoundError              54    a genuine "not there" (or not for you)
    ├── StoreError                     60    the custodian's own state
    │   ├── StoreTamperedError         61    a value does not authenticate
    │   ├── StoreRolledBackError       62    the store is older than its anchor
    │   ├── StoreLockedError           63    another custodian uses it
    │   ├── StoreKeyError              64    the sealing key is not the one that sealed it
    │   └── CompareFailedError         65    the state changed between reading and writing
    ├── PlatformError                  70    no platform, or it refused
    ├── IdentityError                  80    a key file is missing, unreadable or too open
    ├── VolumeError                    90    a sealed volume cannot be used, or its host failed
    │   ├── VolumeTamperedError        91    bytes that this key never sealed
    │   ├── VolumeRolledBackError      92    genuine and too old, or of another volume
    │   ├── VolumeInUseError           93    another writer has it, or took it over
    │   ├── VolumeMissingError         94    there is none
    │   └── VolumeExistsError          95    there is one already
    ├── ImageError                    100    an image cannot be read, protected or written
    │   ├── ImageTamperedError        101    not what its digest, root or key says
    │   ├── ImageRefusedError         102    an image, or a layer's archive, that is not taken
    │   └── ImageDiffersError         103    a protected image is not the one that the policy admits
    └── OutputError                   110    a log holds no sealed output
        ├── OutputTamperedError       111    lines were altered, left out, repeated or moved
        └── OutputUnfinishedError     112    the end is missing

The shield's exit codes are in crates/shield; `casemate run` passes them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "CasemateError",
    "CompareFailedError",
    "ConflictError",
    "CustodianError",
    "DeniedError",
    "EndorsementError",
    "EvidenceError",
    "EvidenceMalformedError",
    "EvidenceRejectedError",
    "IdentityError",
    "ImageDiffersError",
    "ImageError",
    "ImageRefusedError",
    "ImageTamperedError",
    "InputError",
    "MalformedError",
    "ManifestError",
    "NotAuthorisedError",
    "NotCanonicalError",
    "NotFoundError",
    "NotGenuineError",
    "OutputError",
    "OutputTamperedError",
    "OutputUnfinishedError",
    "PlatformError",
    "PolicyError",
    "PolicySyntaxError",
    "RefusedError",
    "SecretError",
    "SignatureError",
    "StoreError",
    "StoreKeyError",
    "StoreLockedError",
    "StoreRolledBackError",
    "StoreTamperedError",
    "TemplateError",
    "TooLargeError",
    "UnreachableError",
    "UsageError",
    "VolumeError",
    "VolumeExistsError",
    "VolumeInUseError",
    "VolumeMissingError",
    "VolumeRolledBackError",
    "VolumeTamperedError",
]


class CasemateError(Exception):
    """An error with what a person needs: what happened, where, what was expected, what came, what to do.

    `message` never holds a secret. `step` is a stable label of the check that failed, `remedy` one sentence.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        step: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def diagnostics(self) -> dict[str, Any]:
        """All that is known, for `--json` and for people, in reading order."""
        facts = {
            "code": self.code,
            "message": self.message,
            "step": self.step,
            "expected": self.expected,
            "got": self.got,
            "remedy": self.remedy,
        }
        return {name: value for name, value in facts.items() if value is not None}


class UsageError(CasemateError):
    exit_code = 2
    code = "usage"


class InputError(CasemateError):
    exit_code = 10
    code = "input"


class TooLargeError(InputError):
    exit_code = 11
    code = "input.too_large"


class MalformedError(InputError):
    exit_code = 12
    code = "input.malformed"


class NotCanonicalError(InputError):
    exit_code = 13
    code = "input.not_canonical"


class EvidenceError(CasemateError):
    exit_code = 20
    code = "evidence"


class EvidenceMalformedError(EvidenceError):
    exit_code = 21
    code = "evidence.malformed"


class EndorsementError(EvidenceError):
    exit_code = 22
    code = "evidence.endorsement"


class SignatureError(EvidenceError):
    exit_code = 23
    code = "evidence.signature"


class EvidenceRejectedError(EvidenceError):
    exit_code = 24
    code = "evidence.rejected"


class PolicyError(CasemateError):
    exit_code = 30
    code = "policy"


class PolicySyntaxError(PolicyError):
    """`line` and `column` count from 1 and point at the first character of what is wrong."""

    exit_code = 31
    code = "policy.syntax"

    def __init__(self, message: str, *, line: int, column: int, remedy: str | None = None) -> None:
        super().__init__(message, step="policy.syntax", remedy=remedy)
        self.line = line
        self.column = column

    def diagnostics(self) -> dict[str, str]:
        return {**super().diagnostics(), "line": str(self.line), "column": str(self.column)}


class NotAuthorisedError(PolicyError):
    exit_code = 32
    code = "policy.not_authorised"


class ConflictError(PolicyError):
    exit_code = 33
    code = "policy.conflict"


class DeniedError(PolicyError):
    exit_code = 34
    code = "policy.denied"


class TemplateError(PolicyError):
    exit_code = 35
    code = "policy.template"


class SecretError(PolicyError):
    exit_code = 36
    code = "policy.secret"


class ManifestError(CasemateError):
    exit_code = 40
    code = "manifest"


class CustodianError(CasemateError):
    exit_code = 50
    code = "custodian"


class UnreachableError(CustodianError):
    exit_code = 51
    code = "custodian.unreachable"


class NotGenuineError(CustodianError):
    exit_code = 52
    code = "custodian.not_genuine"


class RefusedError(CustodianError):
    """A signed refusal. `problem` is the problem document's `code`, `decision` the id for `casemate why`."""

    exit_code = 53
    code = "custodian.refused"

    def __init__(
        self,
        message: str,
        *,
        problem: str,
        status: int,
        decision: str | None = None,
        step: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, step=step, expected=expected, got=got, remedy=remedy)
        self.problem = problem
        self.status = status
        self.decision = decision

    def diagnostics(self) -> dict[str, str]:
        extra = {"problem": self.problem, **({"decision": self.decision} if self.decision else {})}
        return {**super().diagnostics(), **extra}


class NotFoundError(CustodianError):
    exit_code = 54
    code = "custodian.not_found"


class StoreError(CasemateError):
    exit_code = 60
    code = "store"


class StoreTamperedError(StoreError):
    exit_code = 61
    code = "store.tampered"


class StoreRolledBackError(StoreError):
    exit_code = 62
    code = "store.rolled_back"


class StoreLockedError(StoreError):
    exit_code = 63
    code = "store.locked"


class StoreKeyError(StoreError):
    exit_code = 64
    code = "store.key"


class CompareFailedError(StoreError):
    """Somebody was faster. Read again, decide again. `key` is the first that differed."""

    exit_code = 65
    code = "store.compare"

    def __init__(self, key: str) -> None:
        super().__init__("the state changed meanwhile", step="store.compare", got=key)
        self.key = key


class PlatformError(CasemateError):
    exit_code = 70
    code = "platform"


class IdentityError(CasemateError):
    exit_code = 80
    code = "identity"


class VolumeError(CasemateError):
    exit_code = 90
    code = "volume"


class VolumeTamperedError(VolumeError):
    exit_code = 91
    code = "volume.tampered"


class VolumeRolledBackError(VolumeError):
    exit_code = 92
    code = "volume.rolled_back"


class VolumeInUseError(VolumeError):
    exit_code = 93
    code = "volume.in_use"


class VolumeMissingError(VolumeError):
    exit_code = 94
    code = "volume.missing"


class VolumeExistsError(VolumeError):
    exit_code = 95
    code = "volume.exists"


class ImageError(CasemateError):
    exit_code = 100
    code = "image"


class ImageTamperedError(ImageError):
    exit_code = 101
    code = "image.tampered"


class ImageRefusedError(ImageError):
    exit_code = 102
    code = "image.refused"


class ImageDiffersError(ImageError):
    exit_code = 103
    code = "image.differs"


class OutputError(CasemateError):
    """`report` is all that was found in the log, for `--json`."""

    exit_code = 110
    code = "output"

    def __init__(
        self,
        message: str,
        *,
        step: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, step=step, got=got, remedy=remedy)
        self.report = report

    def diagnostics(self) -> dict[str, Any]:
        return {**super().diagnostics(), **({} if self.report is None else {"log": self.report})}


class OutputTamperedError(OutputError):
    exit_code = 111
    code = "output.tampered"


class OutputUnfinishedError(OutputError):
    exit_code = 112
    code = "output.unfinished"
