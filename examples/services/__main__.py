"""`python -m examples.services NAME …`: its work and the attacks on it. Ends 0 only if everything held."""

from __future__ import annotations

import sys
from typing import Final

from casemate.testing.stage import StageError
from examples.first_run.screen import Outcome, Screen
from examples.services.attacks import OLDER, REVOKED, Attack, attacks, held
from examples.services.catalogue import SERVICES
from examples.services.hosted import Hosted
from examples.services.images import Images, NoDebianError, missing
from examples.services.place import place
from examples.services.search import found_in_host
from examples.services.service import WorkError, expect

_REFUSED: Final = "Refused before anything of the workload ran."


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SERVICES]
    if unknown or not names:
        sys.stderr.write(f"usage: python -m examples.services NAME …, with names of {', '.join(SERVICES)}\n")
        return 2
    lack = missing()
    if lack is not None:
        sys.stderr.write(f"examples: {lack}\n")
        return 1
    screen, broken = Screen(), 0
    try:
        screen.plain("A platform, a custodian, a registry, the owner's engine and the attacker's are being set up.")
        with place() as prepared:
            images = Images(prepared.owner)
            for name in names:
                screen.chapter(name)
                broken += _played(Hosted(prepared, images, SERVICES[name]), screen)
    except (StageError, NoDebianError, WorkError, AssertionError) as error:
        sys.stderr.write(f"examples: {error}\n")
        return 1
    screen.chapter(f"{broken} promises BROKEN" if broken else "everything held")
    return 1 if broken else 0


def _played(hosted: Hosted, screen: Screen) -> int:
    """How many promises were broken."""
    service = hosted.service
    screen.step("the ordinary image", hosted.images.ordinary(service))
    hosted.begin()
    hosted.admit(1)
    screen.step("protected, pushed, admitted by its policy", f"{hosted.name}:1")
    with hosted.started(hosted.pull("1")) as running:
        screen.step("started by the attacker's Podman", f"127.0.0.1:{running.port}")
        service.use(running)
        screen.step("its clients did their work")
        seen = _searched(hosted)
        expect("exit status at the end", running.finish(), service.stops)
    screen.attack("1", "everything that the host stores is searched", seen)
    tried = (*attacks(service), OLDER, REVOKED)
    return (not seen.held) + sum(_tried(attack, hosted, screen, number) for number, attack in enumerate(tried, 2))


def _searched(hosted: Hosted) -> Outcome:
    words = (*hosted.service.hidden, *hosted.service.written)
    found = found_in_host(hosted)
    return Outcome(
        tried=f"Look for {len(words)} names, contents of files and data of clients in engine, registry and volumes.",
        happened=f"FOUND {found}" if found else "Nothing was found.",
        why="Layers are sealed, what changes is in memory, and volumes are sealed.",
        held=not found,
    )


def _tried(attack: Attack, hosted: Hosted, screen: Screen, number: int) -> int:
    told = list(attack.attempt(hosted))
    is_held = held(attack, told)
    happened = f"{len(told)} starts, each ends with status {told[-1].status}: {told[-1].said}"
    screen.attack(str(number), attack.title, Outcome("podman run", happened, _REFUSED if is_held else "", is_held))
    return not is_held


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
