"""From a raw answer to one that may be believed, in the order of spec/protocol.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from casemate.errors import CasemateError, MalformedError, NotGenuineError, SignatureError
from casemate.wire import canonical, dsse, signatures
from casemate.wire.custodian import CustodianGenesis, InstanceCertificate
from casemate.wire.fields import b64u_decode

__all__ = ["LONGEST_INSTANCE", "RawAnswer", "check_instance_times", "instance_certificate", "verified_instance"]

LONGEST_INSTANCE: Final = timedelta(hours=24)
_MAX_HEADER: Final = 8192


@dataclass(frozen=True)
class RawAnswer:
    """An answer that nobody has verified. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def verified_instance(
    answer: RawAnswer, *, request_signature: str, genesis: CustodianGenesis, at: datetime
) -> InstanceCertificate:
    """The instance that gave this very answer to this very request; afterwards the body may be parsed.

    `NotGenuineError` names the step that failed.
    """
    try:
        # 1. The instance certificate, under the pinned identity key, for this custodian.
        instance = instance_certificate(answer.headers.get("casemate-instance", ""), genesis)
        # 2. Its times.
        check_instance_times(instance, at)
        # 3, 4. The signature over status, digest, certificate and the request's signature; the body.
        signatures.verify_response(
            dict(answer.headers),
            status=answer.status,
            body=answer.body,
            request_signature=request_signature,
            instance_key=instance.key,
        )
    except (SignatureError, MalformedError) as error:
        raise NotGenuineError(
            f"the answer is not from the pinned custodian: {error.message}",
            step=error.step,
            expected=genesis.identity(),
            remedy="somebody stands between, or the address is another's: check the URL, then ask the board",
        ) from error
    return instance


def instance_certificate(header: str, genesis: CustodianGenesis) -> InstanceCertificate:
    """From a `Casemate-Instance` header, under the pinned identity key; its times are left to the caller.

    `SignatureError`.
    """
    if not header or len(header) > _MAX_HEADER:
        raise SignatureError("there is no instance certificate", step="instance.form")
    try:
        value = canonical.decode(b64u_decode(header))
        envelope = canonical.parse_model(dsse.Envelope, value, what="instance")
        payload, keys = dsse.open_envelope(envelope, dsse.INSTANCE_TYPE)
        instance = canonical.parse_exact(InstanceCertificate, payload, what="instance")
    except SignatureError as error:
        raise SignatureError("the instance certificate's signature is wrong", step="instance.signature") from error
    except CasemateError as error:
        raise SignatureError("the instance certificate is malformed", step="instance.form") from error
    if keys != {genesis.identity_key}:
        raise SignatureError("the instance certificate is signed by another identity", step="instance.signature")
    if instance.custodian != genesis.identity():
        raise SignatureError("the instance certificate is another custodian's", step="instance.custodian")
    return instance


def check_instance_times(instance: InstanceCertificate, at: datetime) -> None:
    """`SignatureError` for one that is not valid now, or for longer than a day."""
    if instance.not_after - instance.not_before > LONGEST_INSTANCE:
        raise SignatureError("the instance certificate lives too long", step="instance.times")
    if not instance.not_before <= at <= instance.not_after:
        raise SignatureError(
            "the instance certificate is not valid now (is this machine's clock right?)", step="instance.times"
        )
