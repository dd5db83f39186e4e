"""Real services, unmodified, in containers: their work, what the host sees of it, and the attacks on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from examples.services.attacks import OLDER, REVOKED, Attack, attacks, held
from examples.services.catalogue import SERVICES
from examples.services.hosted import LEASE_SECONDS, Hosted
from examples.services.images import Images, NoDebianError, missing
from examples.services.place import Place, place
from examples.services.search import found_in_host, found_in_ordinary

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def stage() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def hosted(stage: Place) -> Callable[[str], Hosted]:
    """A service by its name, admitted and pulled."""
    made: dict[str, Hosted] = {}
    images = Images(stage.owner)

    def give(name: str) -> Hosted:
        if name not in made:
            one = Hosted(stage, images, SERVICES[name])
            try:
                images.ordinary(one.service)
            except NoDebianError as error:
                pytest.skip(str(error))
            one.begin()
            one.admit(1)
            made[name] = one
        return made[name]

    return give


@each_service
def test_it_does_its_work_and_the_host_finds_nothing_of_it(name: str, hosted: Callable[[str], Hosted]) -> None:
    one = hosted(name)
    with one.started(one.pull("1")) as running:
        one.service.use(running)
        assert found_in_host(one) == []
        assert running.finish() == one.service.stops, running.logs()
    assert found_in_ordinary(one) == sorted(one.service.hidden)


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.kept is not None])
def test_what_it_acknowledged_is_there_at_the_next_start(name: str, hosted: Callable[[str], Hosted]) -> None:
    one = hosted(name)
    image = one.pull("1")
    with one.started(image) as running:
        one.service.use(running)
        # The container is killed, not stopped.
    with one.started(image) as running:
        assert one.service.kept is not None
        one.service.kept(running)
        running.finish()


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        pytest.param(name, attack, id=f"{name}-{attack.name}")
        for name, service in SERVICES.items()
        for attack in attacks(service)
    ],
)
def test_an_attack_is_refused_for_its_reason(name: str, attack: Attack, hosted: Callable[[str], Hosted]) -> None:
    told = list(attack.attempt(hosted(name)))
    assert held(attack, told), told


def test_all_live_through_a_restart_of_their_custodian(hosted: Callable[[str], Hosted], stage: Place) -> None:
    """Together, since each has to live on for as long as it could without any renewal."""
    all_ = [hosted(name) for name in SERVICES]
    with ExitStack() as stack:
        running = [stack.enter_context(one.started(one.pull("1"))) for one in all_]
        for one, up in zip(all_, running, strict=True):
            if not one.service.listens:
                up.wait_until_it_works()
        began = time.monotonic()
        with stage.away():
            pass
        time.sleep(max(0, began + LEASE_SECONDS - time.monotonic()))
        for one, up in zip(all_, running, strict=True):
            one.service.use(up)


@each_service
def test_an_older_release_gets_nothing_and_the_newer_one_works(name: str, hosted: Callable[[str], Hosted]) -> None:
    one = hosted(name)
    told = list(OLDER.attempt(one))
    assert held(OLDER, told), told
    with one.started(one.pull("2")) as running:
        one.service.use(running)
        running.finish()


@each_service
def test_a_revoked_release_gets_nothing_any_more(name: str, hosted: Callable[[str], Hosted]) -> None:
    told = list(REVOKED.attempt(hosted(name)))
    assert held(REVOKED, told), told
