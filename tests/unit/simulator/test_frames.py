"""Frames: what is sent comes whole, whatever else comes is refused and leaves nothing open."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError, MalformedError, TooLargeError
from casemate.simulator.frames import MAX_FRAME, receive, receive_with_descriptors, send

from .conftest import watched

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), _VALUES, max_size=5)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def _received(data: bytes) -> object:
    """What comes of `data` and the end after it."""
    one, other = socket.socketpair()
    with other:
        with one:
            one.sendall(data)
        return receive(other)


@given(_OBJECTS)
def test_what_is_sent_is_received(value: dict[str, object]) -> None:
    assert _received(_frame(json.dumps(value).encode())) == value


@given(st.binary(max_size=64) | st.binary(max_size=64).map(_frame))
def test_any_bytes_give_an_object_the_end_or_our_own_error(data: bytes) -> None:
    try:
        value = _received(data)
    except InputError:
        return
    assert isinstance(value, dict) or (value is None and not data)


@given(_OBJECTS, st.lists(st.integers(0, 80), max_size=4))
def test_a_frame_may_come_in_pieces(value: dict[str, object], cuts: list[int]) -> None:
    data = _frame(json.dumps(value).encode())
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    one, other = socket.socketpair()
    with one, other:
        pieces = [data[begin:end] for begin, end in itertools.pairwise(edges)]
        writer = threading.Thread(target=lambda: deque(map(one.sendall, pieces)))
        writer.start()
        assert receive(other) == value
        writer.join()


@pytest.mark.parametrize(
    ("data", "step"),
    [
        (b"\0", "platform.frame"),
        (b"\0\0\0\x09{}", "platform.frame"),
        (_frame(b"[]"), "platform.frame"),
        (_frame(b""), "json.syntax"),
        (_frame(b"{'a':1}"), "json.syntax"),
        (_frame(b'{"a":1,"a":2}'), "json.syntax"),
        (_frame(b'{"a":1.5}'), "json.syntax"),
        (_frame(b'{"a":"\xff"}'), "json.syntax"),
        (_frame(b'{"a":' * 40 + b"1" + b"}" * 40), "json.depth"),
    ],
)
def test_frames_of_another_form_are_refused(data: bytes, step: str) -> None:
    with pytest.raises(MalformedError) as refused:
        _received(data)
    assert refused.value.step == step


def test_the_largest_frame_passes_and_one_byte_more_does_not(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.settimeout(20)
    largest = {"a": "x" * (MAX_FRAME - len('{"a": ""}'))}
    writer = threading.Thread(target=send, args=(one, largest))
    writer.start()
    assert receive(other) == largest
    writer.join()
    with pytest.raises(TooLargeError):
        send(one, {"a": largest["a"] + "x"})
    one.sendall((MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(TooLargeError):
        receive(other)


def test_a_trickle_of_bytes_does_not_move_the_end(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.sendall((1000).to_bytes(4, "big"))

    def trickle() -> None:
        pause = threading.Event()
        with suppress(OSError):
            while not pause.wait(0.01):
                one.sendall(b" ")

    writer = threading.Thread(target=trickle, daemon=True)
    writer.start()
    with pytest.raises(TimeoutError):
        receive(other, seconds=0.1)
    other.close()
    writer.join()


def test_descriptors_come_along_and_are_closed_afterwards(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    read_end, write_end = os.pipe()
    with os.fdopen(read_end), os.fdopen(write_end, "w"), ExitStack() as keep:
        send(one, {"a": 1}, (read_end, write_end))
        value, found = receive_with_descriptors(other, 2, keep)
        assert value == {"a": 1}
        assert [os.fstat(number).st_ino for number in found] == [os.fstat(read_end).st_ino] * 2
        assert not any(os.get_inheritable(number) for number in found)
        keep.close()
        assert not any(_is_open(number) for number in found)


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9, 40])
def test_another_number_of_descriptors_is_refused_and_none_stays_open(
    pair: tuple[socket.socket, socket.socket], count: int
) -> None:
    one, other = pair
    with watched() as descriptor:
        send(one, {}, (descriptor,) * count)
        with ExitStack() as keep, pytest.raises(MalformedError) as refused:
            receive_with_descriptors(other, 2, keep)
        assert refused.value.step == "platform.descriptors"


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\x02[]", b"\0\0\0\x02{", b"\0"])
def test_descriptors_of_a_bad_frame_do_not_stay_open(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    one, other = pair
    with watched() as descriptor:
        socket.send_fds(one, [data], [descriptor, descriptor])
        one.shutdown(socket.SHUT_WR)
        with ExitStack() as keep, pytest.raises(InputError):
            receive_with_descriptors(other, 2, keep)


def test_descriptors_that_nobody_asked_for_are_dropped(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    with watched() as descriptor:
        send(one, {"a": 1}, (descriptor, descriptor))
        assert receive(other) == {"a": 1}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
