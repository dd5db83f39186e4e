"""The custodian's end of the platform channel, opposite a shield that misbehaves."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

import pytest

from casemate.custodian.platform_channel import PlatformChannel
from casemate.errors import PlatformError
from casemate.testing.shield_side import frame
from casemate.wire.fields import b64u_encode

KEY = bytes(range(32))
GENUINE = frame({"key": b64u_encode(KEY)})


@contextmanager
def channel(answers: list[bytes]) -> Iterator[PlatformChannel]:
    """To whatever is asked, the next of `answers`; then the shield closes its end."""
    theirs, ours = socket.socketpair()

    def answer() -> None:
        for data in answers:
            if not theirs.recv(65536):
                return
            theirs.sendall(data)
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with ours, theirs:
        yield PlatformChannel(ours)
        thread.join()


def refused(ask: Callable[[], object]) -> str | None:
    with pytest.raises(PlatformError) as error:
        ask()
    return error.value.step


def test_the_key_comes_in_whatever_pieces() -> None:
    theirs, ours = socket.socketpair()

    def drip() -> None:
        theirs.recv(65536)
        for byte in GENUINE:
            theirs.sendall(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    with ours, theirs:
        assert PlatformChannel(ours).sealing_key() == KEY
        thread.join()


def test_a_refusal_is_told_and_asking_goes_on() -> None:
    with channel([frame({"error": "no firmware"}), GENUINE]) as shield:
        with pytest.raises(PlatformError, match="no firmware") as error:
            shield.sealing_key()
        assert error.value.step == "platform.refused"
        assert shield.sealing_key() == KEY


NOT_ANSWERS = {
    "a short key": frame({"key": b64u_encode(KEY[:31])}),
    "a field more": frame({"key": b64u_encode(KEY), "more": 1}),
    "no object": frame([]),
    "no JSON": b"\x00\x00\x00\x01{",
    "too large": (1024 * 1024 + 1).to_bytes(4, "big"),
    "far too large": b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("answer", NOT_ANSWERS.values(), ids=NOT_ANSWERS)
def test_what_is_no_answer_ends_the_channel(answer: bytes) -> None:
    with channel([answer, GENUINE]) as shield:
        assert refused(shield.sealing_key) == "platform.frame"
        # The next answer could be to the last question.
        assert refused(shield.sealing_key) == "platform.channel"


@pytest.mark.parametrize("answer", [b"", GENUINE[:3], GENUINE[:20]], ids=["nothing", "half a length", "half a key"])
def test_a_shield_that_goes_is_an_error(answer: bytes) -> None:
    with channel([answer]) as shield:
        assert refused(shield.sealing_key) == "platform.channel"


@pytest.mark.parametrize("cut", [0, 3, 4, 20])
def test_a_late_answer_is_dropped_and_the_next_question_has_its_own(cut: int) -> None:
    theirs, ours = socket.socketpair()
    late = frame({"key": b64u_encode(bytes(32))})

    def answer() -> None:
        theirs.recv(65536)
        theirs.sendall(late[:cut])
        asked_again.wait()
        theirs.sendall(late[cut:])
        theirs.recv(65536)
        theirs.sendall(GENUINE)

    asked_again = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    with ours, theirs:
        shield = PlatformChannel(ours, seconds=0.05)
        assert [refused(shield.sealing_key) for _ in range(2)] == ["platform.channel"] * 2
        shield._seconds = 30
        asked_again.set()
        assert shield.sealing_key() == KEY
        thread.join()


def test_behind_a_part_of_a_question_nothing_is_asked() -> None:
    theirs, ours = socket.socketpair()
    with ours, theirs:
        shield = PlatformChannel(ours, seconds=0.05)
        # More than the socket's buffer takes.
        long = "x" * 900_000
        ask = partial(shield.evidence, nonce=bytes(32), custodian=long, signing_key="", hpke_key="")
        assert refused(ask) == "platform.channel"
        assert ours.fileno() == -1


def test_an_answer_that_comes_a_byte_at_a_time_has_no_more_time() -> None:
    theirs, ours = socket.socketpair()

    def drip() -> None:
        """All of it takes far longer than the answer may, the next byte never does."""
        theirs.recv(65536)
        with suppress(OSError):
            for byte in GENUINE:
                theirs.sendall(bytes([byte]))
                time.sleep(0.02)

    thread = threading.Thread(target=drip)
    thread.start()
    with ours, theirs:
        shield = PlatformChannel(ours, seconds=0.2)
        with pytest.raises(PlatformError) as error:
            shield.sealing_key()
        assert (error.value.step, error.value.got) == ("platform.channel", "no whole answer in 0.2 s")
        shield.close()
        thread.join()


@pytest.mark.parametrize("value", [None, "", "three", "-1", "987"])
def test_without_a_shield_there_is_no_custodian(value: str | None) -> None:
    environment = {} if value is None else {"CASEMATE_PLATFORM_FD": value}
    assert refused(lambda: PlatformChannel.from_environment(environment)) == "platform.channel"


def test_the_descriptor_is_not_passed_on() -> None:
    theirs, ours = socket.socketpair()
    with theirs:
        os.set_inheritable(ours.fileno(), True)
        descriptor = ours.detach()
        with closing(PlatformChannel.from_environment({"CASEMATE_PLATFORM_FD": str(descriptor)})):
            assert not os.get_inheritable(descriptor)
