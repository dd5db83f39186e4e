"""The real processes: killed at any moment, stopped, started twice, started over an old store."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import threading
from datetime import UTC, datetime

import pytest

from casemate.attestation.verify import Roots
from casemate.client.attested import verify_custodian
from casemate.errors import StoreLockedError
from casemate.wire.binding import sha256_text
from casemate.wire.custodian import CustodianGenesis

from .author import Author
from .conftest import House, genesis_in, statement
from .processes import MANIFEST, MEASUREMENT, manifest

KILLS = 10


def test_made_by_its_process_it_is_the_custodian_that_serves(house: House) -> None:
    house.installation.prepare(simulation_root=house.platform.root_fingerprint)
    with house.run("init") as process:
        status, output, _ = process.end()
    assert (status, len(output.splitlines())) == (0, 1)
    with house.serve().serving() as process, Author(genesis_in(output)).client(process.url) as client:
        # The client believes no other.
        assert client.custodian().identity == json.loads(output)["identity"]


def test_killed_at_any_moment_it_starts_by_itself_with_everything(house: House, genesis: CustodianGenesis) -> None:
    author, dice = Author(genesis), random.Random(secrets.randbits(32))
    for life in range(KILLS + 1):
        with house.serve().serving() as process:
            author.compare(process.url)
            if life == KILLS:
                break
            reached = threading.Event()
            writing = threading.Thread(target=author.write, args=(process.url, dice.randrange(1, 8), reached))
            writing.start()
            reached.wait()
            # The moment of the next kill lies anywhere in what the author does by now.
            threading.Event().wait(dice.random() * 0.02)
            # Every second time the keeper alone: its workers must end by themselves.
            process.kill(alone=life % 2 == 1)
            writing.join()
    assert len(author.acknowledged) >= KILLS


def test_asked_to_stop_it_stops_cleanly(house: House, genesis: CustodianGenesis) -> None:
    with house.serve(workers=2).serving() as process:
        Author(genesis).compare(process.url)
        assert not_running(house) == "another custodian uses this anchor"
        assert process.stop() == 0
    assert house.stopped_cleanly()


def not_running(house: House) -> str:
    with pytest.raises(StoreLockedError) as locked:
        house.stopped_cleanly()
    return locked.value.message


def test_killed_it_was_not_stopped_cleanly(house: House, genesis: CustodianGenesis) -> None:
    with house.serve().serving() as process:
        process.kill()
    assert not house.stopped_cleanly()


def test_a_second_custodian_is_told_what_is_in_its_way(house: House, genesis: CustodianGenesis) -> None:
    with house.serve().serving() as process:
        for port, status, reason in ((0, 63, "another custodian uses this store"), (process.port, 2, "cannot listen")):
            with house.serve(port=port) as second:
                ended, _, errors = second.end()
            assert (ended, reason in errors, len(errors.splitlines())) == (status, True, 1)
        Author(genesis).compare(process.url)


def test_a_worker_that_dies_is_replaced_and_takes_nothing_along(house: House, genesis: CustodianGenesis) -> None:
    author = Author(genesis)
    with house.serve().serving() as process:
        author.write_some(process.url, 2)
        (worker,) = process.workers
        os.kill(worker, signal.SIGKILL)
        process.until("a worker ended and is started again")
        author.compare(process.url)
        assert process.workers != [worker]
        assert process.stop() == 0
    assert len(author.acknowledged) == 2
    assert house.stopped_cleanly()


def test_an_old_store_is_refused_until_the_board_says_otherwise(house: House, genesis: CustodianGenesis) -> None:
    author = Author(genesis)
    with house.serve().serving() as process:
        author.write_some(process.url, 1)
        process.stop()
    yesterday = house.installation.keep()
    with house.serve().serving() as process:
        author.write_some(process.url, 1)
        process.kill()
    house.installation.put_back(yesterday, "data")
    with house.serve() as process:
        status, _, errors = process.end()
    report, complaint = errors.splitlines()
    assert (status, complaint.startswith("casemate-custodian: the store is older than its anchor")) == (62, True)
    house.installation.approve(statement(genesis.identity(), report), "alice", "bob")
    with house.run("restore") as process:
        status, _, errors = process.end()
    assert (status, json.loads(errors)["restored"]) == (0, json.loads(report)["found"])
    author.acknowledged.pop()
    with house.serve().serving() as process:
        author.compare(process.url)
        author.write_some(process.url, 1)


def test_other_code_under_its_own_manifest_cannot_open_the_store(house: House, genesis: CustodianGenesis) -> None:
    with house.run("serve", "--port=0", manifest=manifest(arguments=["--changed"])) as process:
        status, _, errors = process.end()
    assert (status, "[keys.master]" in errors) == (64, True)


def test_it_attests_itself_for_its_own_purpose(house: House, genesis: CustodianGenesis) -> None:
    nonce = os.urandom(32)
    roots = Roots(amd=True, simulated=frozenset({house.platform.root_fingerprint}))
    with house.serve().serving() as process, Author(genesis).client(process.url) as client:
        answer = client.attest_custodian(nonce)
        facts = verify_custodian(
            answer,
            genesis=genesis,
            roots=roots,
            at=datetime.now(UTC),
            nonce=nonce,
            instance=client.instance(),
        )
    assert (facts.manifest, facts.claims.runtime_measurement) == (
        sha256_text(MANIFEST),
        f"sha384:{MEASUREMENT.hex()}",
    )
