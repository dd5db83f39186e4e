"""An aged volume beside a fresh one and beside plain folders that had the same.

    python -m bench.volume_aged --minutes 60                 all of it, in a folder of its own
    python -m bench.volume_aged --age-only /var/tmp/aged     one part: fill to 80 % and age, while others may work
    python -m bench.volume_aged --measure /var/tmp/aged      the other part: as root, on a quiet machine

The volume under test is the `casemate-volume` beside the interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bench.volume_aged.ageing import Load, age
from bench.volume_aged.filling import LARGE, fill
from bench.volume_aged.places import make, mounted, plain
from bench.volume_aged.rows import ROWS, prepare, read_aged

_AGED: Final = "aged"
_FRESH: Final = "fresh"
_RECORD: Final = "ageing.json"


def main() -> int:
    arguments = _arguments()
    if arguments.age_only:
        _age(arguments.age_only, arguments)
    elif arguments.measure:
        _measure(arguments.measure, arguments)
    else:
        with tempfile.TemporaryDirectory(prefix="casemate-aged-", dir="/var/tmp") as name:
            _age(Path(name), arguments)
            _measure(Path(name), arguments)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--age-only", type=Path, metavar="FOLDER", help="make, fill and age; measure later")
    part.add_argument("--measure", type=Path, metavar="FOLDER", help="measure what was aged there; it is kept")
    parser.add_argument("--full", type=float, default=0.8, help="the part of the capacity that files take (0.8)")
    parser.add_argument("--minutes", type=float, default=60, help="how long it ages (60)")
    parser.add_argument(
        "--pace", type=float, default=0, metavar="BATCHES", help="of the load a second at most (no limit)"
    )
    parser.add_argument("--capacity", type=int, default=8, metavar="GIB", help="of the volume, in GiB (8)")
    parser.add_argument("--seed", type=int, default=1, help="of the load (1)")
    parser.add_argument("--rounds", type=int, default=5, help="of measuring; the medians count (5)")
    parser.add_argument("--quiet", type=float, default=0, metavar="SECONDS", help="left alone before measuring (0)")
    parser.add_argument("--json", action="store_true", help="the figures as one object")
    return parser.parse_args()


def _age(folder: Path, arguments: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    capacity = arguments.capacity << 30
    make(folder, _AGED, f"{arguments.capacity}G")
    with mounted(folder, _AGED) as volume:
        places = [volume, plain(folder, _AGED)]
        for place in places:
            _say(f"fill {place}")
            fill(place, int(capacity * arguments.full), arguments.seed)
        loads = [Load(place, arguments.seed) for place in places]
        _say(f"age for {arguments.minutes:g} minutes, {_taken(volume):.0%} full")
        with closing(loads[0]), closing(loads[1]):
            batches = age(loads[0], loads[1], arguments.minutes, arguments.pace)
        record = {"minutes": arguments.minutes, "batches": batches, "capacity": capacity, "full": _taken(volume)}
        record["refused"] = loads[0].refused
    (folder / _RECORD).write_text(json.dumps(record) + "\n")
    _say(f"aged: {record}")


def _measure(folder: Path, arguments: argparse.Namespace) -> None:
    record = json.loads((folder / _RECORD).read_text())
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_FRESH, dir=folder)))
        make(room, _FRESH, f"{record['capacity'] >> 30}G")
        places = {
            "plain": plain(room, _FRESH),
            "fresh": stack.enter_context(mounted(room, _FRESH)),
            "plain, aged": plain(folder, _AGED),
            "aged": stack.enter_context(mounted(folder, _AGED)),
        }
        values = _rounds(places, arguments)
        for place in places.values():
            shutil.rmtree(place / "rows")
    medians = {row: {name: statistics.median(found) for name, found in each.items()} for row, each in values.items()}
    if arguments.json:
        print(json.dumps({"ageing": record, "medians": medians, "values": values}))
    else:
        print("\n".join(_table(medians)))


def _rounds(places: dict[str, Path], arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    for name, place in places.items():
        _say(f"prepare {name}")
        prepare(place)
    time.sleep(arguments.quiet)
    values: dict[str, dict[str, list[float]]] = {}
    for number in range(arguments.rounds):
        _say(f"round {number + 1}")
        for row, unit, figure in ROWS:
            for name, place in places.items():
                values.setdefault(f"{row}, {unit}", {}).setdefault(name, []).append(figure(place / "rows"))
        for name in ("plain, aged", "aged"):
            figure_name = "sequential read of a file that aged, cold, MB/s"
            values.setdefault(figure_name, {}).setdefault(name, []).append(read_aged(places[name] / LARGE))
    return values


def _table(medians: dict[str, dict[str, float]]) -> list[str]:
    lines = ["| what | plain | fresh | plain, aged | aged | fresh/plain | aged/plain, aged | aged/fresh |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for row, found in medians.items():
        figures = [_figure(found.get(name)) for name in ("plain", "fresh", "plain, aged", "aged")]
        pairs = (("fresh", "plain"), ("aged", "plain, aged"), ("aged", "fresh"))
        ratios = [_figure(_ratio(found, *pair)) for pair in pairs]
        lines.append(f"| {row} | {' | '.join(figures + ratios)} |")
    return lines


def _ratio(found: dict[str, float], one: str, other: str) -> float | None:
    return found[one] / found[other] if one in found and other in found else None


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 20 else f"{value:.2f}"


def _taken(place: Path) -> float:
    room = os.statvfs(place)
    return 1 - room.f_bfree / room.f_blocks


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
