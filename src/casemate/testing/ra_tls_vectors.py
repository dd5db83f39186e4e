"""Certificates with evidence, right and wrong in one way each: `python -m casemate.testing.ra_tls_vectors FOLDER`
(spec/vectors/ra-tls/README.md says how they look). The platforms are those in FOLDER/platform, made once: their
authorities' keys are forgotten. Each run writes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from casemate.attestation.certificate_form import Form, certificate_of
from casemate.attestation.cmw import Record, encode_cbor
from casemate.attestation.platforms.sev_snp.report import Report
from casemate.custodian.keys.tls import public_key_of
from casemate.simulator import pki
from casemate.testing.ra_tls import Domain
from casemate.wire import canonical
from casemate.wire.binding import Purpose
from casemate.wire.fields import b64u_encode, format_time
from casemate.wire.ra_tls import RA_TLS_TYPE, RaTls

__all__ = ["Case", "made"]

_START: Final = datetime(2026, 12, 1, tzinfo=UTC)
"""Of the certificates. The platforms' own are valid from the day before on, for ten years."""
_SERIAL: Final = b"\x41" * 16

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


class _Steady(pki.SimulatedPlatform):
    """One whose reports about one thing are the same each time."""

    @classmethod
    def of(cls, platform: pki.SimulatedPlatform) -> _Steady:
        return cls(**{part.name: getattr(platform, part.name) for part in fields(platform)})

    def report(self, measurement: bytes, host_data: bytes, report_data: bytes, **options: bool) -> bytes:
        made = Report.parse(super().report(measurement, host_data, report_data, **options))
        unsigned = replace(made, report_id=hashlib.sha256(report_data).digest(), signature=(0, 0))
        signature = self._key.sign(unsigned.signed_bytes(), ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        return replace(unsigned, signature=decode_dss_signature(signature)).to_bytes()


class _Made:
    """All cases, over two platforms."""

    def __init__(self, platform: pki.SimulatedPlatform, contained: pki.SimulatedPlatform) -> None:
        self.domain = Domain(_Steady.of(platform), _CUSTODIAN)
        self._contained = replace(self.domain, platform=_Steady.of(contained))
        self.key, self._another = (_key(name) for name in ("tls key", "another tls key"))
        self._right = self.domain.carried(public_key_of(self.key))

    def cases(self) -> list[Case]:
        return [*self._good(), *self._certificates(), *self._evidence(), *self._endorsements(), *self._platforms()]

    def _case(self, name: str, outcome: str, carried: RaTls | None = None, **change: Any) -> Case:
        """`hours` of the certificate's life, `key` that it is for, `after` what of its life it is looked at."""
        key, hours, after = (change.pop(part, default) for part, default in self._defaults())
        data = _certificate(key, carried or self._right, _START + hours)
        roots = {
            "simulated": [self.domain.platform.root_fingerprint],
            "simulated_containers": [self._contained.platform.root_fingerprint],
        }
        case = Case(name, data, _START + after, outcome, roots)
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
        yield self._case("of a custodian", "simulated", self._but(**vouched))
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
            yield self._case(f"with another {name}", data, self._but(**{name: value}))
        other = {"custodian": _OTHER}
        yield self._case("that calls its custodian another", data, self._but(**other), **other)
        yield self._case("that calls its manifest another", "evidence.host_data",
                         self._but(manifest=_OTHER), manifests=(_OTHER,))  # fmt: skip
        yield self._case("with debug", "evidence.debug", self.domain.carried(key, debug=True))
        yield self._case("under an older TCB than was certified", "evidence.tcb",
                         self.domain.carried(key, old_tcb=True))  # fmt: skip
        report = bytearray(self._right.evidence.report)
        for name, place in (("measurement", 0x90), ("signature", 0x2A0)):
            changed = report.copy()
            changed[place] ^= 1
            yield self._case(f"with another {name}", "evidence.signature", self._reported(bytes(changed)))
        longer = self._reported(bytes((*report, 0)))
        yield self._case("with something behind the report", "evidence.report", longer)

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

    def _but(self, **change: Any) -> RaTls:
        return self._right.model_copy(update=change)

    def _reported(self, report: bytes) -> RaTls:
        return self._but(evidence=self._right.evidence.model_copy(update={"report": report}))

    def _endorsed(self, **change: Any) -> RaTls:
        return self._but(endorsements=self._right.endorsements.model_copy(update=change))

    def _without_list(self) -> RaTls:
        return self._endorsed(crls=[])

    def _waived(self, after: timedelta) -> dict[str, Any]:
        return {"simulated": {"waive": [{"lacks": "crl", "until": format_time(_START + after)}]}}


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()[:31], "big"), ec.SECP256R1())


def _certificate(key: ec.EllipticCurvePrivateKey, carried: RaTls, end: datetime) -> bytes:
    value = encode_cbor(Record(RA_TLS_TYPE, canonical.encode(carried.to_object())))
    signed = Form(_SERIAL, _START, end, public_key_of(key), value).signed()
    return certificate_of(signed, key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))


def made(platform: Path) -> dict[str, Any]:
    """What lies in spec/vectors/ra-tls/by-evidence.json. `platform` is the folder of one, whoever may read it."""
    with tempfile.TemporaryDirectory() as closed:
        shutil.copytree(platform, closed, dirs_exist_ok=True)
        for folder in (Path(closed), pki.containers(Path(closed))):
            folder.chmod(0o700)
        making = _Made(pki.load(Path(closed)), pki.load(pki.containers(Path(closed))))
    key = making.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "about": "certificates (DER, hex) over evidence of made-up platforms: who is wanted, and what comes of it",
        "tls_key": key.hex(),
        "cases": [case.to_object() for case in making.cases()],
    }


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    (_folder / "by-evidence.json").write_text(json.dumps(made(_folder / "platform"), indent=1) + "\n")
