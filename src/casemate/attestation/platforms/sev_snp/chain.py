"""From a root that the caller trusts to the key that signs reports: certificates and revocation lists.

Verified chains are remembered (they change once in weeks, reports come by the hundred a second); times are checked
again at each use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.sev_snp import certificates as amd
from casemate.errors import EndorsementError

__all__ = ["PRODUCTS", "Chain", "verified_chain"]

PRODUCTS: Final = ("milan", "genoa", "turin")
"""Product lines, by their roots. Bergamo and Siena are certified as Genoa."""

_REMEMBERED: Final = 256
"""Chains of that many chips; beyond it the oldest is verified anew."""


@dataclass(frozen=True)
class Chain:
    """`platform` and `product` follow from the root. `key` signs reports; `extensions` is what AMD certified of it."""

    platform: str
    product: str
    vlek: bool
    key: ec.EllipticCurvePublicKey
    extensions: amd.KeyExtensions
    certificates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]

    def check_times(self, at: datetime) -> None:
        """Certificates and lists cover `at`; `EndorsementError` otherwise."""
        for certificate in self.certificates:
            _within(certificate.not_valid_before_utc, certificate.not_valid_after_utc, at, _name(certificate))
        for crl in self.crls:
            if crl.next_update_utc is None:
                raise _bad("a revocation list has no end", "evidence.crl")
            _within(crl.last_update_utc, crl.next_update_utc, at, "revocation list")

    def check_floor(self, floors: Mapping[str, int]) -> None:
        """The list is no older than one that was seen before."""
        floor = floors.get(self.product)
        for crl in self.crls:
            number = _crl_number(crl)
            if floor is not None and number < floor:
                raise _bad(
                    "an older revocation list than one seen before", "evidence.crl_floor", f"≥ {floor}", str(number)
                )


def verified_chain(table: bytes, crls: Sequence[bytes], *, vlek: bool, roots: Roots, expected: Expected) -> Chain:
    """Steps 2 to 5 of `verify`: everything of the chain that does not depend on the time."""
    return _verified_chain(table, tuple(crls), vlek, roots, expected.insecure_without_crl is not None)


@lru_cache(maxsize=_REMEMBERED)
def _verified_chain(table: bytes, crls: tuple[bytes, ...], vlek: bool, roots: Roots, without_crl: bool) -> Chain:
    entries = amd.parse_certificate_table(table)
    leaf = _entry(entries, amd.VLEK if vlek else amd.VCEK, "VLEK" if vlek else "VCEK")
    intermediate = _entry(entries, amd.ASK, "ASVK" if vlek else "ASK")
    # 2. The root is one that the caller trusts; platform and product follow from it.
    platform, product, root = _trusted_root(entries.get(amd.ARK), intermediate, roots)
    # 3. Root → intermediate → key, and the intermediate is of the kind that may sign this key.
    _check_links(root, intermediate, leaf, vlek=vlek)
    # 4. Nothing of it is revoked, by a list of the root.
    lists = _checked_crls(crls, root, intermediate, leaf, without_crl=without_crl)
    # 5. The key is a P-384 key, with AMD's extensions.
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise _bad("the report key is not a P-384 key", "evidence.report_key")
    extensions = amd.key_extensions(leaf)
    if vlek == (extensions.csp_id is None) or vlek == (extensions.hwid is not None):
        raise _bad("a VLEK names a cloud provider, a VCEK a chip", "evidence.report_key")
    if not extensions.product.lower().startswith(product):
        raise _bad("the report key is of another product", "evidence.report_key", product, extensions.product)
    return Chain(platform, product, vlek, key, extensions, (root, intermediate, leaf), lists)


def _trusted_root(
    offered: bytes | None, intermediate: x509.Certificate, roots: Roots
) -> tuple[str, str, x509.Certificate]:
    if roots.amd:
        for product in PRODUCTS:
            root = _shipped_root(product)
            if intermediate.issuer == root.subject and amd.is_signed_by(intermediate, root):
                return "sev-snp", product, root
    if offered is not None:
        root = amd.load_certificate(offered, "ARK")
        fingerprint = f"sha256:{hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest()}"
        if fingerprint in roots.simulated:
            return "simulated", "milan", root
    raise EndorsementError(
        "no root that is trusted here stands behind this evidence",
        step="evidence.root",
        expected="AMD's" if roots.amd else "the pinned simulated root",
        remedy="a simulated platform works only with a custodian that was initialised for its root",
    )


@lru_cache(maxsize=len(PRODUCTS))
def _shipped_root(product: str) -> x509.Certificate:
    data = files("casemate.attestation.platforms.sev_snp").joinpath("roots", f"ark-{product}.pem").read_bytes()
    return amd.load_certificate(data, f"ARK of {product}")


def _check_links(root: x509.Certificate, intermediate: x509.Certificate, leaf: x509.Certificate, *, vlek: bool) -> None:
    if not amd.is_signed_by(root, root):
        raise _bad("the root does not sign itself", "evidence.chain")
    if not amd.is_signed_by(intermediate, root):
        raise _bad("the root did not sign the intermediate certificate", "evidence.chain")
    if ("VLEK" in _name(intermediate)) != vlek:
        raise _bad("an ASK signs VCEKs, an ASVK signs VLEKs", "evidence.chain", got=_name(intermediate))
    if not amd.is_signed_by(leaf, intermediate):
        raise _bad("the intermediate did not sign the report key", "evidence.chain")
    expected = "SEV-VLEK" if vlek else "SEV-VCEK"
    if _name(leaf) != expected:
        raise _bad("the certificate is not one of a report key", "evidence.chain", expected, _name(leaf))


def _checked_crls(
    crls: Sequence[bytes],
    root: x509.Certificate,
    intermediate: x509.Certificate,
    leaf: x509.Certificate,
    *,
    without_crl: bool,
) -> tuple[x509.CertificateRevocationList, ...]:
    lists = tuple(crl for crl in map(_load_crl, crls) if crl.issuer == root.subject)
    if not lists and not without_crl:
        raise EndorsementError(
            "no revocation list of the root",
            step="evidence.crl",
            remedy="bring the vendor's current list along with the evidence: absence never means acceptance",
        )
    for crl in lists:
        if not _crl_signed_by(crl, root):
            raise _bad("a revocation list is not signed by the root", "evidence.crl")
        if _revokes(crl, intermediate, issuer=root) or _revokes(crl, leaf, issuer=intermediate):
            raise _bad("a certificate of the chain is revoked", "evidence.revoked")
    return lists


def _load_crl(data: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(data)
    except ValueError as error:
        raise _bad("a revocation list cannot be read", "evidence.crl") from error


def _crl_signed_by(crl: x509.CertificateRevocationList, root: x509.Certificate) -> bool:
    key = root.public_key()
    assert isinstance(key, rsa.RSAPublicKey)  # `is_signed_by` has seen to it
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
    try:
        key.verify(crl.signature, crl.tbs_certlist_bytes, pss, hashes.SHA384())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _revokes(crl: x509.CertificateRevocationList, certificate: x509.Certificate, *, issuer: x509.Certificate) -> bool:
    """Whether an entry means this certificate; entries name other issuers than the list's own (RFC 5280 §5.3.3)."""
    current = crl.issuer
    for entry in crl:
        try:
            named = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
            current = named.get_values_for_type(x509.DirectoryName)[0]
        except x509.ExtensionNotFound:
            pass
        except (ValueError, IndexError) as error:
            raise _bad("a revocation list has an entry that cannot be read", "evidence.crl") from error
        if entry.serial_number == certificate.serial_number and current == issuer.subject:
            return True
    return False


def _crl_number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError) as error:
        raise _bad("a revocation list has no number", "evidence.crl_floor") from error


def _entry(entries: Mapping[UUID, bytes], guid: UUID, what: str) -> x509.Certificate:
    if guid not in entries:
        raise _bad(f"the certificate table has no {what}", "evidence.certificates")
    return amd.load_certificate(entries[guid], what)


def _within(start: datetime, end: datetime, at: datetime, what: str) -> None:
    if not start <= at <= end:
        raise EndorsementError(
            f"the {what} does not cover the time of the check",
            step="evidence.validity",
            expected=f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
            got=f"{at:%Y-%m-%d %H:%M} UTC",
            remedy="bring current endorsements, or mend the clock",
        )


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _bad(message: str, step: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step=step, expected=expected, got=got)
