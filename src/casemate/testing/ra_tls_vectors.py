"""Certificates with evidence, right and wrong in one way each: `python -m casemate.testing.ra_tls_vectors FILE`
(spec/vectors/ra-tls/README.md says how they look). Keys are made for it and forgotten but one, so each run writes other
bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from casemate.custodian.keys.tls import certificate_over, public_key_of
from casemate.simulator import pki
from casemate.testing.ra_tls import Domain
from casemate.wire.binding import Purpose
from casemate.wire.fields import b64u_encode, format_time
from casemate.wire.ra_tls import RaTls

__all__ = ["Case", "Made", "made"]

_CUSTODIAN: Final = "sha256:" + "c" * 64
_OTHER: Final = "sha256:" + "d" * 64
_OTHER_RUNTIME: Final = "sha384:" + "0" * 96
_NO_KEY: Final = "00" * 48
"""Digest of the key that signed an identity block, of a report without one."""
_SNP: Final = 24
"""Of a simulated platform's TCB."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """`platforms` as a policy writes them, or None: what is asked by default. `outcome` is a platform, or a step."""

    name: str
    certificate: bytes
    at: datetime
    outcome: str
    roots: Mapping[str, list[str]]
    custodian: str = _CUSTODIAN
    runtimes: tuple[str, ...] = ("sha384:" + "5a" * 48,)
    manifests: tuple[str, ...] = ("sha256:" + "a" * 64,)
    floors: Mapping[str, int] = field(default_factory=dict)
    platforms: Mapping[str, Any] | None = None

    def to_object(self) -> dict[str, Any]:
        wanted = {"custodian": self.custodian, "runtimes": list(self.runtimes), "manifests": list(self.manifests)}
        return {
            "name": self.name,
            "certificate": self.certificate.hex(),
            "at": format_time(self.at),
            "wanted": {**wanted, "floors": dict(self.floors)},
            "roots": dict(self.roots),
            **({} if self.platforms is None else {"platforms": dict(self.platforms)}),
            "outcome": {"step" if "." in self.outcome else "platform": self.outcome},
        }


class Made:
    """All cases, over two platforms that are made in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.domain = Domain(pki.create(folder / "platform"), _CUSTODIAN)
        self._contained = replace(self.domain, platform=pki.load(pki.containers(folder / "platform")))
        self.key, self._another = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self._start = datetime.now(UTC).replace(microsecond=0)
        self._right = self.domain.carried(public_key_of(self.key))

    def cases(self) -> list[Case]:
        return [*self._good(), *self._certificates(), *self._evidence(), *self._endorsements(), *self._platforms()]

    def _case(self, name: str, outcome: str, carried: RaTls | None = None, **change: Any) -> Case:
        """`hours` of the certificate's life, `key` that it is for, `after` what of its life it is looked at."""
        key, hours, after = (change.pop(part, default) for part, default in self._defaults())
        data = certificate_over(key, carried or self._right, start=self._start, end=self._start + hours)
        roots = {
            "simulated": [self.domain.platform.root_fingerprint],
            "simulated_containers": [self._contained.platform.root_fingerprint],
        }
        case = Case(name, data.public_bytes(Encoding.DER), self._start + after, outcome, roots)
        return replace(case, **change)

    def _defaults(self) -> tuple[tuple[str, Any], ...]:
        return ("key", self.key), ("hours", _DAY), ("after", timedelta(minutes=10))

    def _good(self) -> Iterator[Case]:
        contained = self._contained.carried(public_key_of(self.key))
        vouched = {"instance": b64u_encode(b"instance"), "signature": bytes(64)}
        both = [self.domain.platform.root_fingerprint]
        signed_by_nobody = {"id_key_digest": [_NO_KEY], "product": ["genoa", "milan"]}
        asked = {"simulated": {"tcb": {"snp": _SNP, "guest": 0}, "require": signed_by_nobody}}
        yield self._case("of a workload", "simulated")
        yield self._case("of a custodian", "simulated", self._right.model_copy(update=vouched))
        yield self._case("in a container", "simulated-container", contained)
        yield self._case("under a root that is pinned as both", "simulated-container",
                         roots={"simulated": both, "simulated_containers": both})  # fmt: skip
        yield self._case("in its first second", "simulated", after=timedelta())
        yield self._case("in its last second", "simulated", after=_DAY)
        yield self._case("under the newest list that was seen", "simulated", floors={both[0]: 1})
        yield self._case("with what is asked of its platform", "simulated", platforms=asked)
        yield self._case("without a list, which is waived", "simulated", self._without_list(),
                         platforms=self._waived(timedelta(minutes=10, seconds=1)))  # fmt: skip

    def _certificates(self) -> Iterator[Case]:
        yield self._case("longer than a day", "ra_tls.times", hours=_DAY + timedelta(seconds=1))
        yield self._case("not yet", "ra_tls.times", after=timedelta(seconds=-1))
        yield self._case("no longer", "ra_tls.times", after=_DAY + timedelta(seconds=1))
        yield self._case("under another custodian", "ra_tls.custodian", custodian=_OTHER)
        yield self._case("of another runtime", "ra_tls.runtime", runtimes=(_OTHER_RUNTIME,))
        yield self._case("of any runtime", "ra_tls.runtime", runtimes=())
        yield self._case("of another manifest", "ra_tls.manifest", manifests=(_OTHER,))
        yield self._case("of any manifest", "ra_tls.manifest", manifests=())

    def _evidence(self) -> Iterator[Case]:
        key, data = public_key_of(self.key), "evidence.report_data"
        for purpose in (Purpose.RELEASE, Purpose.CUSTODIAN):
            yield self._case(f"for {purpose.value}", data, self.domain.carried(key, purpose=purpose))
        yield self._case("over another key", data, key=self._another)
        for name, value in (("signing_key", "ed25519:B" + "A" * 42), ("hpke_key", "x25519:B" + "A" * 42)):
            yield self._case(f"with another {name}", data, self._right.model_copy(update={name: value}))
        other = {"custodian": _OTHER}
        yield self._case("that calls its custodian another", data, self._right.model_copy(update=other), **other)
        yield self._case("that calls its manifest another", "evidence.host_data",
                         self._right.model_copy(update={"manifest": _OTHER}), manifests=(_OTHER,))  # fmt: skip
        yield self._case("with debug", "evidence.debug", self.domain.carried(key, debug=True))
        yield self._case("under an older TCB than was certified", "evidence.tcb",
                         self.domain.carried(key, old_tcb=True))  # fmt: skip
        report = bytearray(self._right.evidence.report)
        for name, place in (("measurement", 0x90), ("signature", 0x2A0)):
            changed = report.copy()
            changed[place] ^= 1
            evidence = self._right.evidence.model_copy(update={"report": bytes(changed)})
            carried = self._right.model_copy(update={"evidence": evidence})
            yield self._case(f"with another {name}", "evidence.signature", carried)
        longer = self._right.evidence.model_copy(update={"report": bytes((*report, 0))})
        yield self._case("with something behind the report", "evidence.report",
                         self._right.model_copy(update={"evidence": longer}))  # fmt: skip

    def _endorsements(self) -> Iterator[Case]:
        root = self.domain.platform.root_fingerprint
        nobody: dict[str, list[str]] = {"simulated": [], "simulated_containers": []}
        yield self._case("under a root that nobody pinned", "evidence.root", roots=nobody)
        yield self._case("whose chip was revoked", "evidence.revoked",
                         self._endorsed(crls=list(self.domain.platform.revoked_crls)))  # fmt: skip
        yield self._case("without a list", "evidence.crl", self._without_list())
        yield self._case("with a list of somebody else", "evidence.crl",
                         self._endorsed(crls=list(self._contained.platform.crls)))  # fmt: skip
        yield self._case("with an older list than was seen", "evidence.crl_floor", floors={root: 2})
        yield self._case("without a list, where one was seen", "evidence.crl_floor", self._without_list(),
                         floors={root: 1}, platforms=self._waived(_DAY))  # fmt: skip
        yield self._case("with certificates of another chip", "evidence.signature",
                         self._endorsed(certificates=self._contained.platform.certificate_table,
                                        crls=list(self._contained.platform.crls)))  # fmt: skip
        yield self._case("without certificates", "evidence.certificates", self._endorsed(certificates=b""))

    def _platforms(self) -> Iterator[Case]:
        minima, values = "ra_tls.tcb.minima", "ra_tls.platform.values"
        asked: dict[str, tuple[str, dict[str, Any]]] = {
            "on a platform that is not wanted": ("ra_tls.platform.listed", {"sev-snp": {}}),
            "on one of other platforms": ("ra_tls.platform.listed", {"simulated-container": {}, "sev-snp": {}}),
            "on no platform": ("ra_tls.platform.listed", {}),
            "with an older security version": (minima, {"simulated": {"tcb": {"snp": _SNP + 1}}}),
            "without a security version": (minima, {"simulated": {"tcb": {"fmc": 0}}}),
            "with another value": (values, {"simulated": {"require": {"product": ["genoa"]}}}),
            "with a security version that anybody may sign": (minima, {"simulated": {"tcb": {"guest": 0}}}),
            "with a value that anybody may sign": (values, {"simulated": {"require": {"image_id": ["00" * 16]}}}),
            "without a value": (values, {"simulated": {"require": {"csp_id": [""]}}}),
        }
        for name, (step, platforms) in asked.items():
            yield self._case(name, step, platforms=platforms)
        yield self._case("without a list, which was waived until now", "ra_tls.endorsements.complete",
                         self._without_list(), platforms=self._waived(timedelta(minutes=10)))  # fmt: skip
        elsewhere = {**self._waived(_DAY), "simulated": {}}
        elsewhere["simulated-container"] = self._waived(_DAY)["simulated"]
        yield self._case("without a list, which is waived elsewhere", "ra_tls.endorsements.complete",
                         self._without_list(), platforms=elsewhere)  # fmt: skip

    def _endorsed(self, **change: Any) -> RaTls:
        return self._right.model_copy(update={"endorsements": self._right.endorsements.model_copy(update=change)})

    def _without_list(self) -> RaTls:
        return self._endorsed(crls=[])

    def _waived(self, after: timedelta) -> dict[str, Any]:
        return {"simulated": {"waive": [{"lacks": "crl", "until": format_time(self._start + after)}]}}


def made(folder: Path) -> dict[str, Any]:
    """What lies in spec/vectors/ra-tls/by-evidence.json."""
    making = Made(folder)
    key = making.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "about": "certificates (DER, hex) over evidence of made-up platforms: who is wanted, and what comes of it",
        "tls_key": key.hex(),
        "cases": [case.to_object() for case in making.cases()],
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _folder:
        Path(sys.argv[1]).write_text(json.dumps(made(Path(_folder)), indent=1) + "\n")
