"""TLS with servers whose certificates carry evidence: for `ssl`, and whatever is built on it, `httpx` for one.

    context = attested_context(Peer(wanted, roots))        # or a PolicyPeer (`casemate.client.workloads`)
    httpx.Client(verify=context).get("https://…")

The certificate is verified at the end of the handshake, before a byte of the application is sent; no authority and no
name counts. That the server holds the key is what TLS proves. Only TLS 1.3 is spoken. Nothing goes over a connection
before that, nor after it ended, in the clear or otherwise: one that was refused is closed.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Protocol

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import Completing, WantedPeer, as_it_came
from casemate.claims import VerifiedClaims
from casemate.client.peers import UP_TO_DATE_PLATFORMS, verify_peer
from casemate.errors import CasemateError, EvidenceMalformedError
from casemate.policy.model import Asked

__all__ = ["AttestedContext", "Judge", "Peer", "PeerRefusedError", "attested_context", "refusal_in"]


@dataclass(frozen=True)
class Peer:
    """Which servers are accepted, with what is asked of the platforms that they may run on. `completed` adds what the
    caller has of endorsements (`casemate.endorsements.cache.Cache.completed`); `heard` is told what each one is that
    was accepted; `now` is asked for the time.
    """

    wanted: WantedPeer
    roots: Roots
    platforms: Mapping[str, Asked] = field(default_factory=lambda: UP_TO_DATE_PLATFORMS)
    completed: Completing = field(default=as_it_came)
    heard: Callable[[VerifiedClaims], None] | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def verify(self, certificate: bytes) -> VerifiedClaims:
        """Of a certificate, DER or PEM. Errors: EvidenceError, InputError."""
        return verify_peer(
            certificate,
            roots=self.roots,
            at=self.now(),
            wanted=self.wanted,
            platforms=self.platforms,
            completed=self.completed,
        )


class Judge(Protocol):
    """Who says which servers are accepted: `Peer`, `PolicyPeer`."""

    @property
    def heard(self) -> Callable[[VerifiedClaims], None] | None: ...

    def verify(self, certificate: bytes) -> VerifiedClaims: ...


class PeerRefusedError(ssl.SSLError):
    """Ends a handshake in the way that libraries over `ssl` understand; `error` says what was wrong."""

    def __init__(self, error: CasemateError) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, f"the server is not attested: {error.message} ({error.step})")
        self.error: Final = error


class AttestedContext(ssl.SSLContext):
    """Clients' connections alone, each with its certificate verified when the handshake ends."""

    peer: Judge

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As `ssl` does it; a handshake that is put off would be one that nobody looks at."""
        if options.get("server_side") or not options.get("do_handshake_on_connect", True) or args:
            raise ValueError("an attested connection is a client's, and begins with its handshake")
        return super().wrap_socket(sock, **options)

    def wrap_bio(self, incoming: Any, outgoing: Any, *args: Any, **options: Any) -> ssl.SSLObject:
        if options.get("server_side") or (args and args[0]):
            raise ValueError("an attested connection is a client's")
        return super().wrap_bio(incoming, outgoing, *args, **options)


def attested_context(peer: Judge) -> AttestedContext:
    context = AttestedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.peer = peer
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    # Not by an authority, but at the end of the handshake, by the two classes below.
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = _Socket
    context.sslobject_class = _Object
    return context


def refusal_in(error: BaseException) -> CasemateError | None:
    """Why a server was not accepted, from what a library over `ssl` raised; None where it was something else."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, PeerRefusedError):
            return current.error
        current = current.__cause__ or current.__context__
    return None


class _Socket(ssl.SSLSocket):
    """What `http.client`, urllib and synchronous httpx use. `SSLSocket` moves bytes in the clear while it is not
    connected, or no longer (`unwrap`, `shutdown`), and OpenSSL makes an unfinished handshake by itself at the first
    byte: so whatever moves bytes asks whether there is TLS with a certificate that verified.
    """

    _attested = False

    def do_handshake(self, block: bool = False) -> None:
        self._attested = False
        try:
            super().do_handshake(block)
            _verify(self.context, self.getpeercert(binary_form=True))
        except BaseException:
            self.close()
            raise
        self._attested = True

    def connect(self, addr: Any) -> None:
        if self.gettimeout() == 0:
            raise ValueError("an attested connection begins with its handshake: connect it while it blocks")
        try:
            super().connect(addr)
        except BaseException:
            self.close()
            raise

    def connect_ex(self, addr: Any) -> NoReturn:  # noqa: ARG002 - as `ssl` names it
        """Of a connection that is put off, so is the handshake."""
        raise ValueError("an attested connection begins with its handshake: connect() it")

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as `ssl` names it
        self._check()
        return super().read(len, buffer)

    def write(self, data: Any) -> int:
        self._check()
        return super().write(data)

    def send(self, data: Any, flags: int = 0) -> int:
        self._check()
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._check()
        super().sendall(data, flags)

    def sendto(self, *args: Any) -> int:
        self._check()
        return super().sendto(*args)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        self._check()
        return super().sendfile(file, offset, count)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self._check()
        return super().recv(buflen, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._check()
        return super().recv_into(buffer, nbytes, flags)

    def recvfrom(self, buflen: int = 1024, flags: int = 0) -> tuple[bytes, Any]:
        self._check()
        return super().recvfrom(buflen, flags)

    def recvfrom_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> tuple[int, Any]:
        self._check()
        return super().recvfrom_into(buffer, nbytes, flags)

    def unwrap(self) -> Any:
        self._check()
        return super().unwrap()

    def _check(self) -> None:
        # TLS has a version from its handshake to its end. The number of the error is the one that `ssl` itself takes
        # for an answer, while it makes a socket that is not connected and looks whether there is something to read.
        if not self._attested or self.version() is None:
            raise ssl.SSLError(errno.ENOTCONN, "there is no attested connection")


class _Object(ssl.SSLObject):
    """What asynchronous libraries use. Data waits until the handshake ended with a certificate that verified."""

    _attested = False

    def do_handshake(self) -> None:
        super().do_handshake()
        _verify(self.context, self.getpeercert(binary_form=True))
        self._attested = True

    def write(self, data: Any) -> int:
        self._check()
        return super().write(data)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as `ssl` names it
        self._check()
        return super().read(len, buffer)

    def _check(self) -> None:
        if not self._attested:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "the handshake has not ended")


def _verify(context: ssl.SSLContext, certificate: bytes | None) -> None:
    if not isinstance(context, AttestedContext):
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "a connection that is not attested")
    peer = context.peer
    try:
        if certificate is None:
            raise EvidenceMalformedError("there is no certificate", step="ra_tls.extension")
        claims = peer.verify(certificate)
    except CasemateError as error:
        raise PeerRefusedError(error) from error
    if peer.heard is not None:
        peer.heard(claims)
