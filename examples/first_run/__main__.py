"""`make demo`: the first confidential run and the attacks on it. Ends 0 only if everything held."""

from __future__ import annotations

import os
import sys
import time

from casemate.testing.stage import Stage, StageError
from examples.first_run.attacks import ATTACKS, Attack, images, reading
from examples.first_run.cast import prepare
from examples.first_run.clinic import prepared
from examples.first_run.screen import Screen

_INTRODUCTION = """
Casemate runs unmodified applications on computers that nobody has to trust. This demo runs Debian's redis-server, as it
is, and gives it a certificate, a key and a password only after it proved what it is. Then it attacks.
"""


def main() -> int:
    screen, begin, broken = Screen(), time.monotonic(), 0
    screen.plain(_INTRODUCTION.strip())
    with Stage() as stage:
        try:
            screen.chapter("The first confidential run")
            cast = prepare(stage, screen)
            screen.chapter("The attacks")
            attacks = _possible(screen)
            for letter, title, attack in attacks:
                outcome = attack(cast)
                screen.attack(letter, title, outcome)
                broken += not outcome.held
            screen.chapter("One attack that succeeds")
            outcome = reading.read_memory(cast)
            screen.attack("n", "root reads the workload's memory: it works, on this platform", outcome)
            broken += not outcome.held
            tried = len(attacks)
            if _mounts():
                screen.chapter("A protected image")
                with prepared(cast, screen) as clinic:
                    for letter, title, attack_image in images.ATTACKS:
                        outcome = attack_image(clinic)
                        screen.attack(letter, title, outcome)
                        broken += not outcome.held
                        tried += 1
        except StageError as error:
            sys.stderr.write(f"demo: {error}\n")
            return 1
    seconds = time.monotonic() - begin
    verdict = f"{broken} promises BROKEN" if broken else f"all {tried} attacks were refused, for the right reason"
    screen.chapter(f"{verdict}; {seconds:.0f} s")
    return 1 if broken else 0


def _possible(screen: Screen) -> tuple[Attack, ...]:
    """All of them, but those on volumes where nothing can be mounted."""
    if _mounts():
        return ATTACKS
    screen.plain("  /dev/fuse cannot be used here: sealed volumes and protected images are left out.")
    return tuple(attack for attack in ATTACKS if not attack[0].startswith("o"))


def _mounts() -> bool:
    return os.access("/dev/fuse", os.R_OK | os.W_OK)


if __name__ == "__main__":
    sys.exit(main())
