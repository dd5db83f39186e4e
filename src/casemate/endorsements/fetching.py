"""Asking the vendors' services: no faster than they allow, again after a while where they are busy, never for ever.

Whatever arrives goes to a cache and is judged by verifiers there (`casemate.endorsements.cache`), so nothing here
decides what is believed; TLS keeps others from filling the cache with noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from casemate.attestation.wanted import Vendor, Wanted
from casemate.endorsements.cache import Cache, Kept
from casemate.endorsements.facts import MAX_ENTRY_BYTES
from casemate.errors import EndorsementError, UnreachableError, UsageError

if TYPE_CHECKING:
    import httpx  # slow to import, and most commands do without

__all__ = ["SERVICES", "Fetcher", "Pace", "check_service"]

SERVICES: Final[Mapping[Vendor, str]] = {
    "amd": "https://kdsintf.amd.com",
    "intel": "https://api.trustedservices.intel.com",
    "intel-root": "https://certificates.trustedservices.intel.com",
}
"""AMD's key distribution service, Intel's provisioning certification service, and where Intel's root has its list."""

_SECONDS: Final = 30.0
"""To connect, and between two parts of an answer."""
_TRIES: Final = 6
_LONGEST_WAIT: Final = 120.0
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Pace:
    """`apart`: seconds between two requests to one vendor. AMD answers one request for a VCEK in ten seconds (57230,
    §4.1) and refuses more with 429; Intel asks for moderation without a number. `first_wait` doubles at each try.
    """

    apart: dict[Vendor, float] = field(default_factory=lambda: {"amd": 10.0, "intel": 0.5, "intel-root": 0.5})
    first_wait: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def check_service(url: str) -> str:
    """Without a slash at its end. Errors: UsageError. Plain HTTP only to this machine: a PCCS beside a tunnel."""
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme not in ({"https", "http"} if local else {"https"}) or not parts.hostname or parts.query:
        raise UsageError("not the address of a service", expected="https://HOST", got=url[:200])
    return url.rstrip("/")


class Fetcher:
    """`services` are addresses by vendor; `told` hears, in words, what is waited for."""

    def __init__(
        self,
        cache: Cache,
        *,
        services: Mapping[Vendor, str],
        pace: Pace | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cache = cache
        self._services = {vendor: check_service(url) for vendor, url in services.items()}
        self._pace = pace or Pace()
        self._told = told
        self._asked: dict[Vendor, float] = {}

    def fetch(
        self, wanted: Iterable[Wanted], *, now: datetime, anew: bool = False
    ) -> Iterator[tuple[str, Kept | None]]:
        """Of each entry, in turn, what became of it; None for one that lasts (unless all are asked for `anew`).

        Errors: UnreachableError, EndorsementError, UsageError: what came before them is kept.
        """
        import httpx

        # Neither redirects nor credentials of a netrc: these are public files at fixed places.
        with httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=True) as client:
            for one in dict.fromkeys(wanted):
                if not anew and self._lasts(one, now):
                    yield one.name, None
                    continue
                body, chain = self._answer(client, one)
                if one.chain is not None and chain is not None:
                    yield one.chain[1], self._cache.put(one.chain[1], chain, anew=anew)
                yield one.name, self._cache.put(one.name, body, anew=anew)

    def _lasts(self, wanted: Wanted, now: datetime) -> bool:
        """Whether it is good for as long again as it has been, at most: lists and TCB infos are renewed well before
        they end, and who asks at each half of a life sees every change of the vendor's in time.
        """
        facts = self._cache.facts(wanted.name)
        beside = wanted.chain is None or self._cache.get(wanted.chain[1]) is not None
        return facts is not None and beside and facts.start <= now < facts.start + (facts.end - facts.start) / 2

    def _answer(self, client: httpx.Client, wanted: Wanted) -> tuple[bytes, bytes | None]:
        import httpx

        url, wait = self._services[wanted.vendor] + wanted.path, self._pace.first_wait
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                self._told(f"{reason}: once more in {wait:.0f} s ({wanted.name})")
                self._pace.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            self._keep_apart(wanted.vendor)
            try:
                with client.stream("GET", url, headers={"Accept": "*/*"}) as response:
                    if response.status_code in _BUSY:
                        reason = f"the service is busy (status {response.status_code})"
                        wait = max(wait, _retry_after(response.headers.get("Retry-After")))
                        continue
                    return _taken(response, wanted)
            except httpx.TransportError as error:
                reason = f"no answer ({type(error).__name__})"
        raise UnreachableError(
            f"{urlsplit(url).netloc} gives no answer for {wanted.name}",
            step="endorsements.fetch",
            got=reason,
            remedy="try later, or bring a bundle from a machine that reaches it: casemate endorsements import",
        )

    def _keep_apart(self, vendor: Vendor) -> None:
        last, apart = self._asked.get(vendor), self._pace.apart.get(vendor, 0.0)
        if last is not None and (left := last + apart - self._pace.clock()) > 0:
            self._pace.sleep(left)
        self._asked[vendor] = self._pace.clock()


def _retry_after(text: str | None) -> float:
    """Seconds (RFC 9110 §10.2.3)."""
    seconds = float(text) if text is not None and text.isascii() and text.isdigit() else 0.0
    return min(seconds, _LONGEST_WAIT)


def _taken(response: httpx.Response, wanted: Wanted) -> tuple[bytes, bytes | None]:
    if response.status_code != 200:
        raise EndorsementError(
            f"the vendor has no {wanted.name}",
            step="endorsements.fetch",
            got=f"status {response.status_code}",
            remedy="is it the right chip, TCB or product line? casemate evidence show prints what the evidence says",
        )
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_ENTRY_BYTES:
            raise EndorsementError(f"{wanted.name} is too large", step="endorsements.fetch")
    chain = response.headers.get(wanted.chain[0]) if wanted.chain is not None else None
    return _decoded(wanted.name, bytes(body)), None if chain is None else unquote(chain).encode()


def _decoded(name: str, body: bytes) -> bytes:
    """Revocation lists of a PCCS are DER in hex."""
    text = body.strip()
    is_hex = name.endswith(".der") and text and len(text) % 2 == 0 and not set(text) - _HEX
    return bytes.fromhex(text.decode()) if is_hex else body
