"""A chip and its certificates, all made up, at random for each installation.

The certificates have AMD's shape (names, extensions, RSASSA-PSS), so that the genuine verifier reads them; what it
concludes from them follows from the root, which only those trust who pinned it.
"""

from __future__ import annotations

import datetime
import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from casemate.attestation.platforms.sev_snp import key_extensions as amd
from casemate.attestation.platforms.sev_snp.products import MILAN
from casemate.attestation.platforms.sev_snp.report import GuestPolicy, Report
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, build_certificate_table
from casemate.errors import PlatformError
from casemate.wire.binding import bind, sha256_text

__all__ = ["SimulatedPlatform", "containers", "create", "load"]

_TCB: Final = {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}
_OLD_SNP: Final = 7
_CPUID: Final = (0x19, 0x01, 0x01)  # Milan
_GUEST_POLICY: Final = 0x30000  # SMT allowed; bit 17 is always one
_DEBUG_BIT: Final = 1 << 19
_PLATFORM_INFO: Final = 0x25  # SMT, ECC, alias check complete
_CHIP_ID_BYTES: Final = 64
_CHIP_SECRET_BYTES: Final = 32
_LIFETIME: Final = datetime.timedelta(days=3650)
_LAUNCHING: Final = "simulated platform"
_CONTAINERS: Final = "simulated platform for containers"
_FILES: Final = ("ark.der", "ask.der", "vcek.der", "vcek-key.der", "chip-id", "chip-secret", "ark.crl", "revoked.crl")


@dataclass(frozen=True)
class SimulatedPlatform:
    """One chip. `crls` is what it hands out with evidence; `revoked_crls` the list of the hostile mode `revoked`."""

    certificate_table: bytes
    crls: tuple[bytes, ...]
    revoked_crls: tuple[bytes, ...]
    root_fingerprint: str
    _key: ec.EllipticCurvePrivateKey
    _chip_id: bytes
    _chip_secret: bytes = field(repr=False)

    def report(
        self,
        measurement: bytes,
        host_data: bytes,
        report_data: bytes,
        *,
        debug: bool = False,
        old_tcb: bool = False,
    ) -> bytes:
        """A signed report, 1,184 bytes. `measurement` 48 bytes, `host_data` 32, `report_data` 64."""
        tcb = MILAN.pack({**_TCB, "snp": _OLD_SNP} if old_tcb else _TCB)
        unsigned = Report(
            version=5,
            guest_svn=0,
            policy=GuestPolicy(_GUEST_POLICY | (_DEBUG_BIT if debug else 0)),
            family_id=bytes(16),
            image_id=bytes(16),
            vmpl=0,
            current_tcb=tcb,
            platform_info=_PLATFORM_INFO,
            flags=0,
            report_data=report_data,
            measurement=measurement,
            host_data=host_data,
            id_key_digest=bytes(48),
            author_key_digest=bytes(48),
            report_id=secrets.token_bytes(32),
            report_id_ma=b"\xff" * 32,
            reported_tcb=tcb,
            cpuid=_CPUID,
            chip_id=self._chip_id,
            committed_tcb=tcb,
            current_version=bytes((58, 55, 1)),
            committed_version=bytes((58, 55, 1)),
            launch_tcb=tcb,
            launch_mitigations=0,
            current_mitigations=0,
            signature=(0, 0),
        )
        signature = self._key.sign(unsigned.signed_bytes(), ec.ECDSA(hashes.SHA384()))
        return replace(unsigned, signature=decode_dss_signature(signature)).to_bytes()

    def derive_key(self, measurement: bytes, host_data: bytes, context: bytes) -> bytes:
        """32 bytes that only this chip gives, and only to this measurement, manifest and context."""
        info = bind(b"casemate/simulated-key/v1", measurement, host_data, context)
        return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(self._chip_secret)


def create(folder: Path) -> SimulatedPlatform:
    """Makes a platform in `folder`, which must not hold one, and the one for containers beside it (`containers`).
    `PlatformError` otherwise.

    The folder appears whole or not at all; of two at once one wins.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise _exists(folder)  # before the slow part
    made = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.mkdir(mode=0o700)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        containers(made).mkdir(mode=0o700)
        _write(made, _make(_LAUNCHING))
        _write(containers(made), _make(_CONTAINERS))
        made.rename(folder)
    except FileExistsError as error:
        raise _exists(folder) from error
    except OSError as error:
        raise _exists(folder) if error.errno == errno.ENOTEMPTY else _unwritable(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return load(folder)


def containers(folder: Path) -> Path:
    """Where the platform for containers is: a chip and a root of its own, so that nobody takes one for the other."""
    return folder / "containers"


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def _exists(folder: Path) -> PlatformError:
    return PlatformError(
        "there is a simulated platform already",
        step="platform.init",
        got=str(folder),
        remedy="use it; a new one has another root, and nothing made for the old one works with it",
    )


def _unwritable(folder: Path, error: OSError) -> PlatformError:
    return PlatformError(f"{folder} cannot be made: {error.strerror}", step="platform.init")


def load(folder: Path) -> SimulatedPlatform:
    """`PlatformError` where there is none, or it is damaged or readable by others."""
    try:
        if folder.stat().st_mode & 0o077:
            raise PlatformError(f"{folder} is open to others", remedy=f"chmod 700 {folder}")
        parts = {name: (folder / name).read_bytes() for name in _FILES}
    except FileNotFoundError as error:
        raise PlatformError(
            "no simulated platform here",
            step="platform.load",
            got=str(folder),
            remedy="make one: casemate platform init",
        ) from error
    except OSError as error:
        raise PlatformError(f"{folder}: {error.strerror}", step="platform.load") from error
    try:
        key = load_der_private_key(parts["vcek-key.der"], None)
    except ValueError as error:
        raise _damaged(folder) from error
    lengths = (len(parts["chip-id"]), len(parts["chip-secret"]))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or lengths != (_CHIP_ID_BYTES, _CHIP_SECRET_BYTES):
        raise _damaged(folder)
    table = build_certificate_table({ARK: parts["ark.der"], ASK: parts["ask.der"], VCEK: parts["vcek.der"]})
    return SimulatedPlatform(
        certificate_table=table,
        crls=(parts["ark.crl"],),
        revoked_crls=(parts["revoked.crl"],),
        root_fingerprint=sha256_text(parts["ark.der"]),
        _key=key,
        _chip_id=parts["chip-id"],
        _chip_secret=parts["chip-secret"],
    )


def _damaged(folder: Path) -> PlatformError:
    return PlatformError(
        f"the platform in {folder} is damaged",
        step="platform.load",
        remedy="put it back; a new one opens nothing that was made for this one",
    )


def _make(what: str) -> dict[str, bytes]:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(hours=1)
    ark_key, ask_key = (rsa.generate_private_key(public_exponent=65537, key_size=4096) for _ in range(2))
    vcek_key = ec.generate_private_key(ec.SECP384R1())
    chip_id = secrets.token_bytes(_CHIP_ID_BYTES)
    ark_name, ask_name = _name("ARK-Milan", what), _name("SEV-Milan", what)
    ark = _issue(ark_name, ark_name, ark_key.public_key(), ark_key, now, authority=True)
    ask = _issue(ask_name, ark_name, ask_key.public_key(), ark_key, now, authority=True)
    vcek = _issue(_name("SEV-VCEK", what), ask_name, vcek_key.public_key(), ask_key, now, extensions=_vcek(chip_id))
    return {
        "ark.der": ark.public_bytes(Encoding.DER),
        "ask.der": ask.public_bytes(Encoding.DER),
        "vcek.der": vcek.public_bytes(Encoding.DER),
        "vcek-key.der": vcek_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "chip-id": chip_id,
        "chip-secret": secrets.token_bytes(_CHIP_SECRET_BYTES),
        "ark.crl": _crl(ark_name, ark_key, now, number=1, revoked=()),
        "revoked.crl": _crl(ark_name, ark_key, now, number=2, revoked=(ask,)),
    }


def _name(common: str, what: str) -> x509.Name:
    """AMD's names with a word in front, so that nobody mistakes one for the other."""
    attributes = (
        (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "Engineering"),
        (x509.NameOID.COUNTRY_NAME, "US"),
        (x509.NameOID.ORGANIZATION_NAME, f"Casemate {what}: protects nothing"),
        (x509.NameOID.COMMON_NAME, common),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _issue(
    subject: x509.Name,
    issuer: x509.Name,
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    signer: rsa.RSAPrivateKey,
    start: datetime.datetime,
    *,
    authority: bool = False,
    extensions: tuple[x509.UnrecognizedExtension, ...] = (),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_authority_usage(), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA384(), rsa_padding=_pss())


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _vcek(chip_id: bytes) -> tuple[x509.UnrecognizedExtension, ...]:
    name = MILAN.name.encode() + b"-B0"
    spls = {f"{amd.SPL}.{amd.SPL_ARCS[part]}": _der_integer(version) for part, version in _TCB.items()}
    values = {
        amd.STRUCTURE: _der_integer(MILAN.structure),
        amd.PRODUCT_NAME: bytes((0x16, len(name))) + name,
        **spls,
        amd.HWID: chip_id,
    }
    return tuple(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value) for oid, value in values.items())


def _crl(
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    start: datetime.datetime,
    *,
    number: int,
    revoked: tuple[x509.Certificate, ...],
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(start)
        .next_update(start + _LIFETIME)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder(certificate.serial_number, start)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA384(), rsa_padding=_pss()).public_bytes(Encoding.DER)


def _pss() -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)


def _der_integer(value: int) -> bytes:
    body = value.to_bytes(1 if value < 128 else 2, "big")
    return bytes((2, len(body))) + body
