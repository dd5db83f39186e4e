"""From a root that the caller trusts to the key that signs reports.

Verified chains are remembered (they change once in weeks, reports come by the hundred a second); times and floors are
checked again at each use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.certificates import Certificate, check_covers, p384_key
from casemate.attestation.expectations import Roots
from casemate.attestation.platforms.sev_snp.key_extensions import KeyExtensions, key_extensions
from casemate.attestation.platforms.sev_snp.products import PRODUCTS, Product
from casemate.attestation.platforms.sev_snp.signing import is_signed_by, signature_holds
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, VLEK, parse_certificate_table
from casemate.attestation.revocation import RevocationList, check_floor, newest_lists
from casemate.errors import EndorsementError

__all__ = ["Chain", "shipped_roots", "verified_chain"]

_REMEMBERED: Final = 256
"""Chains of that many chips; beyond it the oldest is verified anew."""


@dataclass(frozen=True)
class Chain:
    """`platform` and `product` follow from the root. `key` signs reports; `extensions` is what AMD certified of it.

    `revocation` is None only where the caller went without, on purpose.
    """

    platform: str
    product: Product
    certificates: tuple[Certificate, Certificate, Certificate]
    key: ec.EllipticCurvePublicKey
    extensions: KeyExtensions
    revocation: RevocationList | None

    @property
    def root(self) -> str:
        """`sha256:…` of the root's certificate."""
        return self.certificates[0].fingerprint

    def check_times(self, at: datetime) -> None:
        """Certificates and list cover `at`; `EndorsementError` otherwise."""
        for certificate in self.certificates:
            check_covers(certificate.start, certificate.end, at, certificate.common_name)
        if self.revocation is not None:
            check_covers(self.revocation.start, self.revocation.end, at, "revocation list")

    def check_floor(self, floors: Mapping[str, int]) -> None:
        """The list is no older than one that was seen before, or gone; `EndorsementError` otherwise."""
        check_floor(self.revocation, floors.get(self.root))


def verified_chain(table: bytes, lists: Sequence[bytes], *, vlek: bool, roots: Roots, without_list: bool) -> Chain:
    """Steps 2 to 5 of `verify`: everything of the chain that does not depend on the time."""
    return _verified_chain(table, tuple(lists), vlek, roots, without_list)


@lru_cache(maxsize=_REMEMBERED)
def _verified_chain(table: bytes, lists: tuple[bytes, ...], vlek: bool, roots: Roots, without_list: bool) -> Chain:
    entries = parse_certificate_table(table)
    leaf = _entry(entries, VLEK if vlek else VCEK, "VLEK" if vlek else "VCEK")
    intermediate = _entry(entries, ASK, "ASVK" if vlek else "ASK")
    offered = _entry(entries, ARK, "ARK") if ARK in entries else None
    # 2. The root is one that the caller trusts; platform and product follow from it.
    platform, root = _trusted_root(offered, intermediate, roots)
    product = _product_of(root)
    # 3. Root → intermediate → key, and each may do what it does here.
    _check_root(root)
    _check_intermediate(intermediate, root, product, vlek=vlek)
    _check_leaf(leaf, intermediate, vlek=vlek)
    # 4. Nothing of it is revoked, by a list of the root.
    revocation = _checked_list(lists, root, (intermediate, leaf), without_list=without_list)
    # 5. The key is a P-384 key, with AMD's extensions.
    key = _report_key(leaf)
    extensions = key_extensions(leaf.extensions, product)
    if vlek == (extensions.csp_id is None) or vlek == (extensions.hwid is not None):
        raise _bad("a VLEK names a cloud provider, a VCEK a chip", "evidence.report_key")
    return Chain(platform, product, (root, intermediate, leaf), key, extensions, revocation)


def _trusted_root(offered: Certificate | None, intermediate: Certificate, roots: Roots) -> tuple[str, Certificate]:
    """Platform and root. An offered root is believed where it was pinned, and must be the one that is used."""
    shipped = shipped_roots().get(intermediate.issuer) if roots.amd else None
    if shipped is not None and (offered is None or offered.der == shipped.der):
        return "sev-snp", shipped
    if offered is not None and offered.fingerprint in roots.simulated_containers:
        return "simulated-container", offered  # first: a root that was pinned as both counts as the weaker
    if offered is not None and offered.fingerprint in roots.simulated:
        return "simulated", offered
    raise _bad(
        "no root that is trusted here stands behind this evidence",
        "evidence.root",
        "AMD's" if roots.amd else "a pinned simulated root",
        None if offered is None else offered.fingerprint,
        remedy="a simulated platform works only with a custodian that was initialised for its root",
    )


@lru_cache(maxsize=1)
def shipped_roots() -> Mapping[x509.Name, Certificate]:
    """AMD's roots, by their names: files of this package."""
    folder = files("casemate.attestation.platforms.sev_snp").joinpath("roots")
    paths = (folder.joinpath(f"ark-{name.lower()}.pem") for name in PRODUCTS)
    roots = [Certificate.parse(path.read_bytes(), "shipped root") for path in paths]
    return {root.subject: root for root in roots}


def _product_of(root: Certificate) -> Product:
    product = PRODUCTS.get(root.common_name.removeprefix("ARK-"))
    if product is None or not root.common_name.startswith("ARK-"):
        raise _bad("a root of an unknown product line", "evidence.root", ", ".join(PRODUCTS), root.common_name)
    return product


def _check_root(root: Certificate) -> None:
    if not is_signed_by(root, root):
        raise _bad("the root does not sign itself", "evidence.chain")
    if root.path_length == 0 or not (root.authority and root.signs_certificates and root.signs_lists):
        raise _bad("the root may not sign authorities and revocation lists", "evidence.chain")


def _check_intermediate(intermediate: Certificate, root: Certificate, product: Product, *, vlek: bool) -> None:
    if not is_signed_by(intermediate, root):
        raise _bad("the root did not sign the intermediate certificate", "evidence.chain")
    if not (intermediate.authority and intermediate.signs_certificates):
        raise _bad("the intermediate certificate may not sign certificates", "evidence.chain")
    expected = f"SEV-VLEK-{product.name}" if vlek else f"SEV-{product.name}"
    if intermediate.common_name != expected:
        raise _bad("an ASK signs VCEKs, an ASVK signs VLEKs", "evidence.chain", expected, intermediate.common_name)


def _check_leaf(leaf: Certificate, intermediate: Certificate, *, vlek: bool) -> None:
    if not is_signed_by(leaf, intermediate):
        raise _bad("the intermediate did not sign the report key", "evidence.chain")
    expected = "SEV-VLEK" if vlek else "SEV-VCEK"
    if leaf.common_name != expected:
        raise _bad("the certificate is not one of a report key", "evidence.chain", expected, leaf.common_name)
    if leaf.authority or leaf.signs_certificates:
        raise _bad("the report key's certificate is one of an authority", "evidence.chain")


def _checked_list(
    lists: Sequence[bytes], root: Certificate, certificates: Sequence[Certificate], *, without_list: bool
) -> RevocationList | None:
    newest = newest_lists(lists, (root,), signature_holds).get(root.fingerprint)
    if newest is None:
        if without_list:
            return None
        raise _bad(
            "no revocation list of the root",
            "evidence.crl",
            remedy="bring the vendor's current list along with the evidence: absence never means acceptance",
        )
    for certificate in certificates:
        if newest.revokes(certificate):
            raise _bad("a certificate of the chain is revoked", "evidence.revoked", got=certificate.common_name)
    return newest


def _report_key(leaf: Certificate) -> ec.EllipticCurvePublicKey:
    key = p384_key(leaf)
    if key is None:
        raise _bad("the report key is not a P-384 key", "evidence.report_key")
    return key


def _entry(entries: Mapping[UUID, bytes], guid: UUID, what: str) -> Certificate:
    if guid not in entries:
        raise _bad(f"the certificate table has no {what}", "evidence.certificates")
    return Certificate.parse(entries[guid], what)


def _bad(
    message: str, step: str, expected: str | None = None, got: str | None = None, remedy: str | None = None
) -> EndorsementError:
    return EndorsementError(message, step=step, expected=expected, got=got, remedy=remedy)
