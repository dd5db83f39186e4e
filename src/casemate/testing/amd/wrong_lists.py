"""Revocation lists that are wrong, or that revoke, in one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography import x509

from casemate.attestation.revocation import MAX_LIST_BYTES, MAX_NUMBER
from casemate.errors import EndorsementError
from casemate.testing.amd.certificates import RevokedEntry, name_of
from casemate.testing.amd.keys import authority_key
from casemate.testing.amd.plan import FLOOR, Plan, right
from casemate.testing.amd.wrong import Change, Wrong, lists, only_list

__all__ = ["WRONG_LISTS", "distribution_point"]

_SECOND: Final = timedelta(seconds=1)
_UNKNOWN: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.999"), b"\x05\x00")


def _bad(change: Change, step: str = "crl") -> Wrong:
    return Wrong(change, EndorsementError, f"evidence.{step}")


def _revoked(*entries: RevokedEntry) -> Wrong:
    return _bad(only_list(revoked=entries), "revoked")


def distribution_point(**what: Any) -> x509.IssuingDistributionPoint:
    """RFC 5280 §5.2.5."""
    limits: dict[str, Any] = {
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    where = [x509.UniformResourceIdentifier("https://lists.example/")]
    return x509.IssuingDistributionPoint(full_name=where, relative_name=None, **(limits | what))


def _partial(**what: Any) -> Wrong:
    return _bad(only_list(extensions=((distribution_point(**what), True),)))


def _issued_by(*names: x509.GeneralName) -> Wrong:
    """A list with an entry that says of its certificate that these issued it."""
    entry = RevokedEntry(99, extensions=((x509.CertificateIssuer(names), True),))
    return _bad(only_list(revoked=(entry,)))


def _newest_revokes(plan: Plan) -> Plan:
    """The list of yesterday beside the one of today, which revokes."""
    newest = replace(plan.lists[0], number=FLOOR + 1, revoked=(RevokedEntry(plan.intermediate.serial),))
    return replace(plan, lists=[plan.lists[0], newest, plan.lists[0]])


_FORM: Final = {
    "no-list": _bad(lambda plan: replace(plan, lists=())),
    "list-is-garbage": _bad(lambda plan: replace(plan, foreign_lists=[b"garbage"])),
    "list-is-empty": _bad(lambda plan: replace(plan, foreign_lists=[b""])),
    "list-is-too-large": _bad(lambda plan: replace(plan, foreign_lists=[bytes(MAX_LIST_BYTES + 1)])),
    "list-signed-by-somebody-else": _bad(only_list(signer=authority_key("stranger"))),
    "list-of-somebody-else": _bad(only_list(issuer="ARK-Genoa")),
    "list-of-the-ask": _bad(only_list(issuer="SEV-Milan", signer=authority_key("ask"))),
    "a-second-list-of-somebody-else": _bad(
        lambda plan: replace(plan, lists=[*plan.lists, replace(plan.lists[0], signer=authority_key("stranger"))])
    ),
    "list-without-number": _bad(only_list(number=None)),
    "list-number-too-large": _bad(only_list(number=MAX_NUMBER + 1)),
    "list-without-end": _bad(only_list(endless=True)),
    "list-of-changes": _bad(only_list(extensions=((x509.DeltaCRLIndicator(3), True),))),
    "list-of-changes-not-critical": _bad(only_list(extensions=((x509.DeltaCRLIndicator(3), False),))),
    "list-of-users-only": _partial(only_contains_user_certs=True),
    "list-of-authorities-only": _partial(only_contains_ca_certs=True),
    "list-of-attributes-only": _partial(only_contains_attribute_certs=True),
    "list-of-some-reasons-only": _partial(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),
    "list-critical-extension": _bad(only_list(extensions=((_UNKNOWN, True),))),
    "list-entry-critical-extension": _bad(
        only_list(revoked=(RevokedEntry(99, extensions=((_UNKNOWN, True),)),)),
    ),
    "list-entry-without-the-name-of-its-issuer": _issued_by(x509.DNSName("who.example")),
    "list-entry-with-two-names-of-its-issuer": _issued_by(
        x509.DirectoryName(name_of("SEV-Genoa")), x509.DirectoryName(name_of("SEV-Milan"))
    ),
}

_USE: Final = {
    "list-expired": _bad(lambda plan: only_list(end=plan.at - _SECOND)(plan), "validity"),
    "list-not-yet": _bad(lambda plan: only_list(start=plan.at + _SECOND)(plan), "validity"),
    "list-older-than-one-seen": _bad(only_list(number=FLOOR - 1), "crl_floor"),
    "lists-older-than-one-seen": _bad(lists(FLOOR - 1, FLOOR - 2), "crl_floor"),
    "ask-revoked": _revoked(RevokedEntry(0x10001)),
    "ask-revoked-after-others": _revoked(RevokedEntry(1), RevokedEntry(0x10001), RevokedEntry(2)),
    "ask-revoked-by-name": _revoked(RevokedEntry(1, "SEV-Milan"), RevokedEntry(0x10001, "ARK-Milan")),
    "asvk-revoked": replace(_revoked(RevokedEntry(0x10101)), base=lambda: right(vlek=True)),
    "vcek-revoked": _revoked(RevokedEntry(5, "SEV-Milan")),
    "vcek-revoked-after-its-neighbour": _revoked(RevokedEntry(4, "SEV-Milan"), RevokedEntry(5)),
    "vlek-revoked": replace(_revoked(RevokedEntry(5, "SEV-VLEK-Milan")), base=lambda: right(vlek=True)),
    "ask-revoked-by-the-newest-of-three": _bad(_newest_revokes, "revoked"),
}

WRONG_LISTS: Final[Mapping[str, Wrong]] = {**_FORM, **_USE}
