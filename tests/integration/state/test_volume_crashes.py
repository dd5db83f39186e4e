"""Anchors of volumes over the life of a custodian: what was acknowledged is there, and nothing older ever again."""

from __future__ import annotations

import random
import secrets
import threading

from casemate.wire.custodian import CustodianGenesis
from casemate.wire.volumes import UNINITIALISED

from .conftest import House
from .writer import Writer

KILLS = 6


def test_killed_at_any_moment_an_acknowledged_root_is_kept(house: House, genesis: CustodianGenesis) -> None:
    writer, dice = Writer(house.platform, genesis), random.Random(secrets.randbits(32))
    for life in range(KILLS + 1):
        with house.serve(workers=2).serving() as process:
            if life == 0:
                writer.begin(process.url)
            writer.compare(process.url)
            if life == KILLS:
                break
            reached = threading.Event()
            writing = threading.Thread(target=writer.write, args=(process.url, dice.randrange(1, 20), reached))
            writing.start()
            reached.wait()
            # The moment of the next kill lies anywhere in what the writer does by now.
            threading.Event().wait(dice.random() * 0.02)
            process.kill(alone=life % 2 == 1)
            writing.join()
    assert writer.moves >= KILLS


def test_an_older_store_with_an_older_root_is_refused(house: House, genesis: CustodianGenesis) -> None:
    """Only the volume's anchor moved between the two: that alone makes the store an old one."""
    writer = Writer(house.platform, genesis)
    with house.serve().serving() as process:
        writer.begin(process.url)
        _write_some(writer, process.url)
        process.kill()
    copy = house.installation.keep()
    with house.serve().serving() as process:
        assert writer.compare(process.url) != UNINITIALISED
        _write_some(writer, process.url)
        process.kill()
    house.installation.put_back(copy, "data")
    with house.serve() as process:
        status, _, errors = process.end()
    assert (status, "the store is older than its anchor says" in errors) == (62, True)


def _write_some(writer: Writer, url: str) -> None:
    with writer.client(url) as client:
        for _ in range(5):
            writer.move(client)
