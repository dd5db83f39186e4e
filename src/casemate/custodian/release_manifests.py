"""Launch manifests as the custodian reads them: parsed once, kept while there is room, recorded for renewals.

Parsing a manifest of 100,000 files takes seconds. It happens only for domains for which somebody vouches, off the event
loop when it is large, and its result is kept under the digest that the evidence proved.
"""

from __future__ import annotations

import asyncio
from typing import Final

from casemate.custodian.keeper import Change, Put, State
from casemate.custodian.limits_cache import SizedCache
from casemate.custodian.policies_book import key_of
from casemate.errors import InputError, StoreTamperedError
from casemate.wire import canonical
from casemate.wire.manifest import MAX_MANIFEST_BYTES, ParsedManifest, PolicyBinding, parse_manifest

__all__ = ["CACHE_BYTES", "Manifests"]

CACHE_BYTES: Final = 64 * 1024 * 1024
"""Of manifests in canonical bytes: four of the largest, thousands of usual ones."""

_INLINE_BYTES: Final = 64 * 1024
"""A manifest up to this size is parsed in under a few milliseconds, which is less than a thread costs others."""

_PARSERS: Final = 1
"""Large manifests parsed at once: more would only share the one interpreter."""

_RECORDED: Final = 4096
"""Manifests that this worker remembers to have recorded; a forgotten one is merely written again."""


class Manifests:
    """Parsed manifests by digest."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._parsed: SizedCache[str, ParsedManifest] = SizedCache(CACHE_BYTES)
        self._recorded: SizedCache[str, bool] = SizedCache(_RECORDED)
        self._parsers = asyncio.Semaphore(_PARSERS)

    async def parse(self, data: bytes, digest: str) -> ParsedManifest:
        """The manifest in `data`, whose SHA-256 is `digest`; an `InputError` or `ManifestError`."""
        known = self._parsed.get(digest)
        if known is not None:
            return known
        if len(data) <= _INLINE_BYTES:
            manifest = parse_manifest(data)
        else:
            async with self._parsers:
                manifest = await asyncio.to_thread(parse_manifest, data)
        self._parsed.put(digest, manifest, len(data))
        return manifest

    async def binding(self, data: bytes, digest: str) -> PolicyBinding | None:
        """Which policy a manifest names, if it is one, at less cost than to read all of it; nothing else is judged."""
        known = self._parsed.get(digest)
        if known is not None:
            return known.manifest.policy
        if len(data) <= _INLINE_BYTES:
            return _binding(data)
        return await asyncio.to_thread(_binding, data)

    async def recorded(self, genesis: str, digest: str) -> ParsedManifest:
        """The manifest of a workload that was admitted under the policy with that genesis."""
        known = self._parsed.get(digest)
        if known is not None:
            return known
        item = await self._state.get(_key(genesis, digest))
        if item is None:
            raise StoreTamperedError("the manifest of a lease is missing", step="manifests.recorded")
        return await self.parse(item.value, digest)

    def unrecorded(self, genesis: str, manifest: ParsedManifest) -> list[Change]:
        """What has to be stored so that renewals find the manifest."""
        key = _key(genesis, manifest.digest)
        return [] if self._recorded.get(key) else [Put(key, manifest.data)]

    def remember_recorded(self, genesis: str, manifest: ParsedManifest) -> None:
        self._recorded.put(_key(genesis, manifest.digest), True, 1)


def _binding(data: bytes) -> PolicyBinding | None:
    try:
        value = canonical.decode(data, limit=MAX_MANIFEST_BYTES)
        named = value.get("policy") if isinstance(value, dict) else None
        return canonical.parse_model(PolicyBinding, named, what="policy")
    except InputError:
        return None


def _key(genesis: str, digest: str) -> str:
    return key_of(genesis, f"manifests/{digest.removeprefix('sha256:')}")
