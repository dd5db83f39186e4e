"""`x509`: a key and a certificate for it, issued by a `x509-ca` of the same policy, renewed before it ends."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from casemate.errors import SecretError
from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._certificates import ends_soon, leaf
from casemate.secrets.kinds._keys import Algorithm, PrivateKey, generate_key, load_key, private_pem
from casemate.secrets.kinds.x509_ca import LONGEST, SHORTEST, CommonName, ValidFor
from casemate.wire.durations import parse_duration
from casemate.wire.fields import SecretName
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "X509Spec"]

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_MAX_NAMES: Final = 64

Usage = Literal["server", "client"]


def _check_dns(name: str) -> str:
    if len(name) > 253 or not _DNS.fullmatch(name):
        raise ValueError("not a DNS name (RFC 1123)", "write it in lower case, international ones as xn--…")
    if name.rpartition(".")[2].isdecimal():
        # No top-level domain is a number (RFC 3696 §2): this is an address, which no client would look for here.
        raise ValueError("an address, which is no DNS name", "write it under ip")
    return name


def _check_ip(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("not an IP address", "write it like 192.0.2.1 or 2001:db8::1") from None
    # Zones are of one machine only; an IPv4 address inside IPv6 is spelled in two ways, and looked for in a third.
    mapped = isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped)
    if mapped or str(address) != text:
        raise ValueError("not an IP address in its usual spelling", "write it like 192.0.2.1 or 2001:db8::1")
    return text


def _check_usage(usage: list[Usage]) -> list[Usage]:
    if len(set(usage)) != len(usage):
        raise ValueError("a usage is named twice", "name it once")
    return usage


class X509Spec(Spec):
    kind: Literal["x509"]
    issuer: SecretName
    common_name: CommonName | None = None
    dns: Annotated[list[Annotated[str, AfterValidator(_check_dns)]], Field(max_length=_MAX_NAMES)] = Field(
        default_factory=list
    )
    ip: Annotated[list[Annotated[str, AfterValidator(_check_ip)]], Field(max_length=_MAX_NAMES)] = Field(
        default_factory=list
    )
    usage: Annotated[list[Usage], Field(min_length=1, max_length=2), AfterValidator(_check_usage)] = Field(
        default_factory=lambda: list[Usage](("server",))
    )
    algorithm: Algorithm = "p256"
    valid_for: ValidFor = "30d"

    @model_validator(mode="after")
    def _has_names(self) -> X509Spec:
        if "server" in self.usage and not self.dns and not self.ip:
            raise ValueError("a server's certificate without a name", "add dns or ip, or write usage: [client]")
        return self


def _issuer(spec: X509Spec) -> tuple[str, str]:
    return spec.issuer, "x509-ca"


class _X509:
    schema = SecretSchema(
        "x509", X509Spec, {"private_key": True, "certificate": False, "chain": False, "ca": False}, _issuer
    )

    def generate(self, spec: X509Spec, making: Making) -> Material:
        return _issued(spec, generate_key(spec.algorithm), making)

    def renew(self, spec: X509Spec, material: Material, making: Making) -> Material | None:
        if material["ca"] == _ca(making)["certificate"] and not ends_soon(material["certificate"], making.now):
            return None
        return _issued(spec, load_key(material["private_key"]), making)

    def may_become(self, _old: X509Spec, _new: X509Spec) -> bool:
        return False


def _issued(spec: X509Spec, key: PrivateKey, making: Making) -> Material:
    ca = _ca(making)
    certificate = leaf(
        key,
        ca,
        common_name=spec.common_name or (spec.dns[0][:64] if spec.dns else making.name),
        dns=spec.dns,
        ip=spec.ip,
        usage=spec.usage,
        now=making.now,
        valid_for=parse_duration(spec.valid_for, least=SHORTEST, most=LONGEST),
    )
    return {
        "private_key": private_pem(key),
        "certificate": certificate,
        "chain": certificate + ca["certificate"],
        "ca": ca["certificate"],
    }


def _ca(making: Making) -> Mapping[str, bytes]:
    if making.issuer is None:
        raise SecretError(f"the CA of {making.name} is not there", step="secrets.issue")
    return making.issuer


KIND: Final = _X509()
