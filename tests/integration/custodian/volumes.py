"""A policy with a volume, and shields whose leases mount it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from casemate.wire.binding import sha256_text

from .conftest import Answer, House, Shield, Story

ZEROS = "A" * 22
NOTHING = {"volume": ZEROS, "state": "uninitialised", "generation": "0", "root": "sha256:" + "0" * 64, "fence": "0"}
RECORDS = {"freshness": "strict", "root": "hash", "accept_anchor": ["insecure_file"]}


def record(fence: int, generation: int = 1, root: str = "1", **change: Any) -> dict[str, Any]:
    """An active record; `root` is a hexadecimal digit."""
    return {
        "volume": "B" * 21 + "A",
        "state": "active",
        "generation": str(generation),
        "root": "sha256:" + root * 64,
        "fence": str(fence),
        **change,
    }


@dataclass
class Mount:
    """One lease that may ask for the anchor of a volume."""

    shield: Shield
    lease: str
    name: str = "records"

    @property
    def path(self) -> str:
        return f"/v1/leases/{self.lease}/volumes/{self.name}"

    async def ask(self, request: object) -> Answer:
        return await self.shield.caller.ask("POST", self.path, request)

    async def read(self) -> Answer:
        return await self.ask({"read": {}})

    async def set(self, expected: dict[str, Any], new: dict[str, Any]) -> Answer:
        return await self.ask({"set": {"expected": expected, "new": new}})

    async def release(self) -> Answer:
        return await self.ask({"release": {}})

    async def renew(self, sequence: int) -> Answer:
        return await self.shield.renew(self.lease, sequence)


@dataclass
class Sealed:
    """`story` has the services `api` (write), `second` (write) and `reader` (read), which mount `records`."""

    story: Story
    manifests: dict[str, bytes]

    @property
    def house(self) -> House:
        return self.story.house

    async def mount(self, service: str = "api") -> Mount:
        shield = self.story.shield(self.manifests[service])
        answer = await shield.attest()
        assert answer.status == 200, answer.body
        return Mount(shield, answer.data["lease"]["id"])

    async def written(self, fence: int = 5) -> tuple[Mount, dict[str, Any]]:
        """A writer that holds the volume, and the record that it left."""
        writer = await self.mount()
        new = record(fence)
        answer = await writer.set(NOTHING, new)
        assert (answer.status, answer.data) == (200, {"outcome": "set", "record": new}), answer.body
        return writer, new

    def document(self, **change: Any) -> dict[str, Any]:
        """The next version, with changes of `records` in it."""
        document = self.story.next()
        document["volumes"] = {"records": {**RECORDS, **change}}
        return document

    def without(self, service: str) -> dict[str, Any]:
        document = self.story.next()
        document["services"][service]["volumes"] = {}
        return document

    def audited(self, kind: str) -> list[dict[str, Any]]:
        """Facts of all entries of that kind in the audit log."""
        entries = self.house.parts.sealed.audit()
        return [dict(entry.facts) for entry in entries if entry.kind == kind]


async def seal(house: House, **change: Any) -> Sealed:
    """The policy, submitted; `change` is of the volume."""
    genesis = house.genesis()
    services = {"api": "write", "second": "write", "reader": "read"}
    manifests = {
        name: house.manifest(
            genesis,
            volumes=[{"path": "/data"}],
            policy={"name": "acme/records", "genesis": sha256_text(genesis), "service": name},
        )
        for name in services
    }
    document = house.document(genesis, manifests["api"])
    document["volumes"] = {"records": {**RECORDS, **change}}
    for name, mode in services.items():
        service = copy.deepcopy(document["services"]["api"])
        service["workload"] = {"manifest": sha256_text(manifests[name])}
        service["volumes"] = {"/data": {"volume": "records", "mode": mode}}
        document["services"][name] = service
    answer = await house.create(genesis, document)
    assert answer.status == 201, answer.body
    return Sealed(Story(house, genesis, manifests["api"], document, answer.data["version"]), manifests)
