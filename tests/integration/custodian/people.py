"""A policy that lends its volume to people, and people who ask for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.wire import canonical, sealing
from casemate.wire.binding import hpke_key_text, volume_info
from casemate.wire.fields import b64u_decode, b64u_encode
from casemate.wire.volumes import ReleasedVolume

from .conftest import Answer, Caller, House, public_key
from .volumes import Sealed

PEOPLE = {"read": {"any": ["carol"]}, "write": {"any": ["bob"]}, "lease": "60s"}
CAROL = Ed25519PrivateKey.from_private_bytes(b"carol".ljust(32, b"."))
DAVE = Ed25519PrivateKey.from_private_bytes(b"dave".ljust(32, b"."))


@dataclass
class Person:
    """Somebody at home, with fresh keys for one request. `genesis` is the policy's."""

    sealed: Sealed
    key: Ed25519PrivateKey
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    hpke: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    lease: str = ""

    @property
    def house(self) -> House:
        return self.sealed.house

    @property
    def caller(self) -> Caller:
        return self.house.caller(self.key)

    async def request(self, mode: str = "read", nonce: bytes | None = None) -> dict[str, Any]:
        if nonce is None:
            challenge = await self.caller.ask("POST", "/v1/challenges", {})
            nonce = b64u_decode(challenge.data["nonce"])
        return {
            "nonce": b64u_encode(nonce),
            "mode": mode,
            "signing_key": public_key(self.signing),
            "hpke_key": hpke_key_text(self.hpke.public_key().public_bytes_raw()),
        }

    async def ask(self, request: dict[str, Any], volume: str = "records", **how: Any) -> Answer:
        path = f"/v1/policies/{self.sealed.story.identity}/volumes/{volume}/leases"
        answer = await self.caller.ask("POST", path, request, **how)
        if answer.status == 200:
            self.lease = answer.data["lease"]["id"]
        return answer

    async def borrow(self, mode: str = "read") -> Answer:
        return await self.ask(await self.request(mode))

    def open(self, request: dict[str, Any], answer: Answer, **change: str) -> ReleasedVolume:
        facts = {
            "custodian": self.house.parts.identity.identity,
            "policy_genesis": answer.data["policy"]["genesis"],
            "policy_version": answer.data["policy"]["version"],
            "volume": "records",
            "mode": request["mode"],
            "signing_key": request["signing_key"],
            **change,
        }
        info = volume_info(nonce=b64u_decode(request["nonce"]), **facts)
        plain = sealing.open_sealed(b64u_decode(answer.data["volume"]), self.hpke, info=info)
        return canonical.parse_model(ReleasedVolume, canonical.decode_canonical(plain), what="volume")

    async def anchor(self, wish: object, volume: str = "records") -> Answer:
        path = f"/v1/leases/{self.lease}/volumes/{volume}"
        return await self.house.caller(self.signing).ask("POST", path, wish)

    async def set(self, expected: dict[str, Any], new: dict[str, Any]) -> Answer:
        return await self.anchor({"set": {"expected": expected, "new": new}})

    async def renew(self, sequence: int) -> Answer:
        return await self.house.caller(self.signing).ask(
            "POST", f"/v1/leases/{self.lease}/renewals", {"sequence": sequence}
        )


def lent(sealed: Sealed, people: dict[str, Any] | None = PEOPLE) -> dict[str, Any]:
    house = sealed.house
    document = sealed.document(**({} if people is None else {"people": people}))
    document["principals"] = {
        "alice": {"key": public_key(house.alice)},
        "bob": {"key": public_key(house.bob)},
        "carol": {"key": public_key(CAROL)},
        "dave": {"key": public_key(DAVE)},
    }
    return document
