"""`private-key`: a key pair, PKCS#8 (RFC 5958) and SPKI (RFC 5280) as PEM."""

from __future__ import annotations

from typing import Final, Literal

from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._keys import Algorithm, generate_key, private_pem, public_pem
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "PrivateKeySpec"]


class PrivateKeySpec(Spec):
    kind: Literal["private-key"]
    algorithm: Algorithm


class _PrivateKey(Lasting):
    schema = SecretSchema("private-key", PrivateKeySpec, {"private_key": True, "public_key": False}, no_issuer)

    def generate(self, spec: PrivateKeySpec, _making: Making) -> Material:
        key = generate_key(spec.algorithm)
        return {"private_key": private_pem(key), "public_key": public_pem(key)}


KIND: Final = _PrivateKey()
