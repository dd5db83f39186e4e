"""`x509-ca`: a small certificate authority of one policy. Its key never leaves the custodian."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from casemate.errors import MalformedError
from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._certificates import authority
from casemate.secrets.kinds._keys import generate_key, private_pem
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.durations import parse_duration
from casemate.wire.fields import is_plain
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "LONGEST", "SHORTEST", "CommonName", "ValidFor", "X509CaSpec"]

SHORTEST: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=3650)


def _check_duration(text: str) -> str:
    try:
        parse_duration(text, least=SHORTEST, most=LONGEST)
    except MalformedError as error:
        raise ValueError(error.message, f"write {error.expected}") from error
    return text


_MAX_COMMON_NAME_BYTES: Final = 64
"""ub-common-name of RFC 5280, Appendix A.1, which counts characters; what writes certificates here counts bytes."""


def _check_common_name(text: str) -> str:
    if not is_plain(text):
        raise ValueError("characters that do not show, or that move their neighbours", "leave them out")
    if len(text.encode()) > _MAX_COMMON_NAME_BYTES:
        raise ValueError(f"a common name has at most {_MAX_COMMON_NAME_BYTES} bytes of UTF-8", "write a shorter one")
    return text


CommonName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_check_common_name)]
"""At most 64 bytes, and a person sees each character of them."""

ValidFor = Annotated[str, AfterValidator(_check_duration)]


class X509CaSpec(Spec):
    kind: Literal["x509-ca"]
    common_name: CommonName
    valid_for: ValidFor = "3650d"


class _X509Ca(Lasting):
    schema = SecretSchema("x509-ca", X509CaSpec, {"certificate": False}, no_issuer)

    def generate(self, spec: X509CaSpec, making: Making) -> Material:
        key = generate_key("p256")
        valid_for = parse_duration(spec.valid_for, least=SHORTEST, most=LONGEST)
        certificate = authority(key, spec.common_name, making.now, valid_for)
        # `private_key` is no part of the schema: templates cannot name it, leaves are issued with it.
        return {"certificate": certificate, "private_key": private_pem(key)}


KIND: Final = _X509Ca()
