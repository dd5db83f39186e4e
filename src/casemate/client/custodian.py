"""Calls to a pinned custodian (spec/protocol.md, "Calls")."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TypeVar
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client.refusals import refusal
from casemate.client.transport import MAX_ANSWER_BYTES, Connection
from casemate.client.verification import verified_instance
from casemate.errors import InputError, NotGenuineError, UnreachableError, UsageError
from casemate.wire import canonical, signatures
from casemate.wire.custodian import (
    CustodianAnswer,
    CustodianAttestationAnswer,
    CustodianAttestationRequest,
    CustodianGenesis,
    InstanceCertificate,
)
from casemate.wire.fields import Model
from casemate.wire.policies import (
    DecisionAnswer,
    DecisionsAnswer,
    PolicyAnswer,
    PolicyCreation,
    PolicyLookup,
    PolicyUpdate,
    VersionAnswer,
    VersionsAnswer,
)
from casemate.wire.release import (
    AttestationAnswer,
    AttestationRequest,
    ChallengeAnswer,
    RenewalAnswer,
    RenewalRequest,
)
from casemate.wire.volumes import VolumeAnswer, VolumeLeaseAnswer, VolumeLeaseRequest, VolumeRequest

__all__ = ["CustodianClient", "discover"]

_PATH_TEXT: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.")
A = TypeVar("A", bound=Model)


class CustodianClient:
    """Speaks to one custodian as `key`, or, where that is None, as nobody in particular. A context manager.

    Every call raises `UnreachableError`, `NotGenuineError`, `RefusedError`, `NotFoundError` or `ConflictError`.
    """

    def __init__(self, url: str, pinned: CustodianGenesis, key: Ed25519PrivateKey | None) -> None:
        self._pinned = pinned
        self._key = key or Ed25519PrivateKey.generate()
        self._instance: InstanceCertificate | None = None
        self._connection = Connection(url)

    def __enter__(self) -> CustodianClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def instance(self) -> InstanceCertificate:
        """The instance that answers, from an answer that verified."""
        if self._instance is None:
            self.custodian()
        assert self._instance is not None
        return self._instance

    def custodian(self) -> CustodianAnswer:
        return self._call(CustodianAnswer, "GET", "/v1/custodian")

    def attest_custodian(self, nonce: bytes) -> CustodianAttestationAnswer:
        request = CustodianAttestationRequest(nonce=nonce)
        return self._call(CustodianAttestationAnswer, "POST", "/v1/custodian/attestation", request)

    def challenge(self) -> ChallengeAnswer:
        return self._call(ChallengeAnswer, "POST", "/v1/challenges", {})

    def attest(self, request: AttestationRequest) -> AttestationAnswer:
        """This client's key must be the request's signing key."""
        return self._call(AttestationAnswer, "POST", "/v1/attestations", request)

    def renew(self, lease: str, sequence: int) -> RenewalAnswer:
        path = f"/v1/leases/{_segment(lease)}/renewals"
        return self._call(RenewalAnswer, "POST", path, RenewalRequest(sequence=sequence))

    def anchor(self, lease: str, volume: str, request: VolumeRequest) -> VolumeAnswer:
        """An error leaves open whether a record was moved."""
        return self._call(VolumeAnswer, "POST", f"/v1/leases/{_segment(lease)}/volumes/{_segment(volume)}", request)

    def volume_lease(self, genesis: str, volume: str, request: VolumeLeaseRequest) -> VolumeLeaseAnswer:
        """This client's key must be that of a person whom the policy names for the volume."""
        path = f"/v1/policies/{_segment(genesis)}/volumes/{_segment(volume)}/leases"
        return self._call(VolumeLeaseAnswer, "POST", path, request)

    def create_policy(self, creation: PolicyCreation) -> VersionAnswer:
        return self._call(VersionAnswer, "POST", "/v1/policies", creation)

    def update_policy(self, genesis: str, update: PolicyUpdate) -> VersionAnswer:
        return self._call(VersionAnswer, "POST", f"/v1/policies/{_segment(genesis)}/versions", update)

    def lookup(self, name: str) -> PolicyLookup:
        return self._call(PolicyLookup, "GET", "/v1/policies", query=urlencode({"name": name}))

    def policy(self, genesis: str) -> PolicyAnswer:
        return self._call(PolicyAnswer, "GET", f"/v1/policies/{_segment(genesis)}")

    def versions(self, genesis: str) -> VersionsAnswer:
        return self._call(VersionsAnswer, "GET", f"/v1/policies/{_segment(genesis)}/versions")

    def decisions(self, genesis: str, *, limit: int = 50) -> DecisionsAnswer:
        path = f"/v1/policies/{_segment(genesis)}/decisions"
        return self._call(DecisionsAnswer, "GET", path, query=f"limit={limit}")

    def decision(self, decision: str) -> DecisionAnswer:
        return self._call(DecisionAnswer, "GET", f"/v1/decisions/{_segment(decision)}")

    def _call(
        self,
        answer: type[A],
        method: str,
        path: str,
        value: Model | Mapping[str, object] | None = None,
        query: str = "",
    ) -> A:
        content = value.to_object() if isinstance(value, Model) else value
        body = b"" if content is None else canonical.encode(content)
        signed = signatures.sign_request(
            self._key,
            method=method,
            path=path,
            query=query,
            body=body,
            created=int(time.time()),
            nonce=secrets.token_bytes(16),
        )
        target = f"{path}?{query}" if query else path
        raw = self._connection.exchange(method, target, body, signed.as_headers())
        self._instance = verified_instance(
            raw, request_signature=signed.signature, genesis=self._pinned, at=datetime.now(UTC)
        )
        if raw.status not in (200, 201):
            raise refusal(raw.status, raw.body)
        try:
            return canonical.parse_model(answer, canonical.decode(raw.body, limit=MAX_ANSWER_BYTES), what="answer")
        except InputError as error:
            raise UnreachableError(
                f"the custodian answers in a way that is not understood: {error.message}",
                remedy="are client and custodian of the same release?",
            ) from error


def discover(url: str) -> CustodianGenesis:
    """What whoever answers at `url` says about itself. Believe nothing of it but that the identity is its hash."""
    key = Ed25519PrivateKey.generate()
    signed = signatures.sign_request(
        key,
        method="GET",
        path="/v1/custodian",
        query="",
        body=b"",
        created=int(time.time()),
        nonce=secrets.token_bytes(16),
    )
    connection = Connection(url)
    with closing(connection):
        raw = connection.exchange("GET", "/v1/custodian", b"", signed.as_headers())
    try:
        answer = canonical.parse_model(CustodianAnswer, canonical.decode(raw.body), what="custodian")
        genesis = canonical.parse_record(CustodianGenesis, answer.genesis, what="genesis")
    except InputError as error:
        raise NotGenuineError("what answers there is no custodian", got=url, remedy="check the URL") from error
    # It speaks for this genesis only if it can sign as an instance of it.
    verified_instance(raw, request_signature=signed.signature, genesis=genesis, at=datetime.now(UTC))
    return genesis


def _segment(text: str) -> str:
    """One segment of a path: what a person typed never becomes another path."""
    if not text or not set(text) <= _PATH_TEXT or text in {".", ".."}:
        raise UsageError("not an identifier", got=text[:80])
    return text
