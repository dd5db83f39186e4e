"""The key of an encrypted image: brought by its owner, given to the workload whose image it opens, to nothing else."""

from __future__ import annotations

import os
from typing import Any

from casemate.wire import canonical, sealing
from casemate.wire.binding import sha256_text
from casemate.wire.fields import b64u_encode

from .conftest import Answer, House, Story

KEY = b"an-image-key-that-must-not-show!"
LAYERS = ["sha256:" + "1" * 64]


async def submit(house: House, *, protection: str, key: bytes = KEY, image: bool = True) -> tuple[Story, Answer]:
    genesis = house.genesis()
    manifest = house.manifest(genesis, root=[], image={"layers": LAYERS, "protection": protection})
    document = house.document(genesis, manifest)
    salt = os.urandom(32)
    commitment = sha256_text(sealing.value_commitment(salt, key))
    document["secrets"]["image"] = {"kind": "volume-key", "commitment": commitment}
    if image:
        document["services"]["api"]["image"] = {"key": "image"}
    info = sealing.value_info(
        custodian=house.parts.identity.identity, genesis=sha256_text(genesis), name="image", commitment=commitment
    )
    plain = canonical.encode({"value": b64u_encode(key), "salt": b64u_encode(salt)})
    sealed = b64u_encode(sealing.seal(plain, house.parts.identity.sealing_key, info=info))
    answer = await house.create(genesis, document, sealed={"image": sealed})
    return Story(house, genesis, manifest, document, str(answer.data.get("version"))), answer


async def denied(story: Story) -> dict[str, Any]:
    answer = await story.shield().attest()
    assert (answer.status, answer.data["step"]) == (403, "workload.image"), answer.body
    return await story.house.why(answer.data["id"])


async def test_an_encrypted_image_gets_the_key_that_its_owner_brought(house: House) -> None:
    story, answer = await submit(house, protection="encrypted")
    assert answer.status == 201, answer.body
    shield = story.shield()
    request = await shield.request()
    answer = await shield.attest(request)
    assert answer.status == 200, answer.body
    assert shield.open(request, answer).image_key == KEY
    assert KEY not in answer.body
    recorded = str(await house.why(answer.data["decision"]))
    assert KEY.decode() not in recorded
    assert b64u_encode(KEY) not in recorded


async def test_a_policy_that_gives_an_encrypted_image_no_key_admits_nothing(house: House) -> None:
    story, _ = await submit(house, protection="encrypted", image=False)
    decision = await denied(story)
    assert (decision["expected"], decision["got"]) == ("a key", "no key")
    assert "services.api.image" in decision["remedy"]


async def test_what_is_not_encrypted_gets_no_key(house: House) -> None:
    story, _ = await submit(house, protection="authenticated")
    assert (await denied(story))["got"] == "a key"


async def test_a_key_that_is_none_is_refused(house: House) -> None:
    _, answer = await submit(house, protection="encrypted", key=KEY[:31])
    assert (answer.status, answer.code) == (422, "policy.invalid")
    assert KEY.decode()[:31] not in answer.body.decode()
