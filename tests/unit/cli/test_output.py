"""What people and scripts read: whole, in one piece, and without what would steer a terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casemate.cli import _output
from casemate.cli._ending import INTERRUPTED, run_to_end
from casemate.cli._output import emit, fail, note, progress, table
from casemate.errors import CasemateError, PolicySyntaxError, RefusedError, UsageError

STEERING = "a\x1b[31mb\x07c\x9bd\u202ee\x7ff"


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, and keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.mark.parametrize("show", [lambda text: emit({"x": text}, as_json=False), lambda text: table(["x"], [[text]])])
def test_results_do_not_steer_a_terminal(capfd: pytest.CaptureFixture[str], show: Callable[[str], None]) -> None:
    show(STEERING)
    assert "a\\u001b[31mb\\u0007c\\u009bd\\u202ee\\u007ff\n" in capfd.readouterr().out


def test_errors_do_not_steer_a_terminal_and_stay_one_line_a_fact(capfd: pytest.CaptureFixture[str]) -> None:
    fail(CasemateError(f"{STEERING}\nremedy  run this", got="1\n2\t3"), as_json=False)
    message, got = capfd.readouterr().err.splitlines()
    assert message.startswith("error: a\\u001b[31mb")
    assert message.endswith("\\nremedy  run this")
    assert got == "       got  1\\n2 3"


def test_an_error_tells_all_that_is_known_in_reading_order(capfd: pytest.CaptureFixture[str]) -> None:
    error = RefusedError(
        "no", problem="policy.denied", status=403, decision="d" * 40, step="s", expected="e", got="g", remedy="r"
    )
    fail(error, as_json=False)
    assert [line.split()[0] for line in capfd.readouterr().err.splitlines()] == [
        "error:", "step", "expected", "got", "problem", "decision", "remedy",
    ]  # fmt: skip
    fail(error, as_json=True)
    assert json.loads(capfd.readouterr().out) == {"error": error.diagnostics()}


def test_a_position_is_in_the_json(capfd: pytest.CaptureFixture[str]) -> None:
    fail(PolicySyntaxError("no", line=3, column=5), as_json=True)
    assert json.loads(capfd.readouterr().out)["error"]["line"] == "3"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_is_json_whatever_is_in_it(capfdbinary: pytest.CaptureFixture[bytes], value: dict[str, object]) -> None:
    capfdbinary.readouterr()
    emit(value, as_json=True)
    assert json.loads(capfdbinary.readouterr().out) == value


def test_names_that_are_no_text_are_shown_and_are_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    emit({"path": name}, as_json=True)
    assert json.loads(capfdbinary.readouterr().out) == {"path": name}
    emit({"path": name}, as_json=False)
    assert capfdbinary.readouterr().out == b"path: caf\\udce9\n"


def test_a_table_is_aligned_and_never_cut(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table(["name", "key"], [["a", "x" * 100], ["longer", "y"]])
    assert capfd.readouterr().out.splitlines() == ["name    key", f"a       {'x' * 100}", "longer  y"]


def test_colours_are_for_terminals_that_want_them(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    fail(UsageError("no"), as_json=False)
    note("hm")
    assert terminal.shown() == "\x1b[1;31merror:\x1b[0m no\n\x1b[2mhm\x1b[0m\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv(name, value)
    fail(UsageError("no"), as_json=False)
    assert terminal.shown() == "error: no\n"


def test_progress_is_shown_on_terminals_only(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("long [bold]work", quiet=True):
        pass
    assert terminal.shown() == ""
    with progress("long [bold]work", quiet=False):
        pass
    assert "long [bold]work" in terminal.shown()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("no"), 2, "error: no\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: /x: Permission denied\n"),
        (OSError(28, "No space left on device"), 1, "error: No space left on device\n"),
        (ValueError("bad\nthing"), 1, "error: casemate itself failed: ValueError: bad\\nthing\n"),
        (AssertionError(), 1, "error: casemate itself failed: AssertionError: \n"),
        (RecursionError("deep"), 1, "error: casemate itself failed: RecursionError: deep\n"),
        (MemoryError(), 1, "error: casemate itself failed: MemoryError: \n"),
    ],
)
def test_whatever_happens_is_one_clear_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, message: str
) -> None:
    monkeypatch.delenv("CASEMATE_DEBUG", raising=False)
    assert run_to_end(_raising(error), []) == status
    said = capfd.readouterr()
    assert said.out == ""
    assert message in said.err
    assert "Traceback" not in said.err
    assert ("CASEMATE_DEBUG=1" in said.err) == ("itself" in message)
    assert run_to_end(_raising(error), ["--json"]) == status
    said = capfd.readouterr()
    assert set(json.loads(said.out)) == {"error"}
    assert said.err == ""


def test_who_asks_for_it_gets_the_traceback(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_DEBUG", "1")
    assert run_to_end(_raising(ValueError("bad")), []) == 1
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_an_interruption_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_to_end(_raising(KeyboardInterrupt()), []) == INTERRUPTED == 130
    assert capfd.readouterr() == ("", "")


def test_json_after_two_dashes_is_the_workloads(capfd: pytest.CaptureFixture[str]) -> None:
    run_to_end(_raising(UsageError("no")), ["run", "x", "--", "--json"])
    assert capfd.readouterr().err == "error: no\n"


def _raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_the_module_says_what_is_public() -> None:
    assert all(hasattr(_output, name) for name in _output.__all__)
