"""Certificates for tests: with extensions of any kind; of a simulated platform's domain; and a server that has one."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.ra_tls import RaTls, key_digest

__all__ = ["START", "Domain", "TlsServer", "certificate_with"]

_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def certificate_with(
    *extensions: tuple[str, bytes], key: ec.EllipticCurvePrivateKey | None = None, critical: bool = False
) -> bytes:
    """DER, self-signed, for a day from `START`, with these extensions: dotted object identifiers and values."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    for oid, value in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Domain:
    """A trust domain of a simulated platform that makes certificates over evidence, as a custodian's or otherwise."""

    platform: SimulatedPlatform
    custodian: str
    measurement: bytes = b"\x5a" * 48
    manifest: str = "sha256:" + "a" * 64
    signing_key: str = "ed25519:" + "A" * 43
    hpke_key: str = "x25519:" + "A" * 43

    def carried(self, public_key: bytes, *, purpose: Purpose = Purpose.RA_TLS, **report: bool) -> RaTls:
        """What a certificate over this key carries; `report` as in `SimulatedPlatform.report`."""
        data = report_data(
            purpose,
            custodian=self.custodian,
            nonce=key_digest(public_key),
            signing_key=self.signing_key,
            hpke_key=self.hpke_key,
            manifest=self.manifest,
        )
        made = self.platform.report(self.measurement, digest_bytes(self.manifest), data, **report)
        return RaTls(
            casemate_ra_tls=1,
            custodian=self.custodian,
            manifest=self.manifest,
            signing_key=self.signing_key,
            hpke_key=self.hpke_key,
            evidence=Evidence(format="sev-snp-report", report=made),
            endorsements=Endorsements(certificates=self.platform.certificate_table, crls=list(self.platform.crls)),
        )


class TlsServer:
    """Echoes what comes over TLS; `heard` is everything that came from anybody. A context manager."""

    def __init__(self, key: bytes, certificate: bytes, folder: Path) -> None:
        file = folder / "server.pem"
        file.write_bytes(key + certificate)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.heard = bytearray()

    @property
    def context(self) -> ssl.SSLContext:
        return self._context

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> TlsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as session:
                while data := session.recv(4096):
                    self.heard += data
                    session.sendall(_ANSWER)
