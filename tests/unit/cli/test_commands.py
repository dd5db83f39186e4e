"""What holds for every command: an example, `--json`, one JSON object for a mistake, no traceback, a fast start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from casemate.cli.main import app

from .conftest import Casemate, commands

COMMANDS = commands()
IDS = [" ".join(words) for words in COMMANDS]

SLOW = {"httpx", "pydantic", "cryptography", "yaml", "structlog", "rich.console", "packaging.requirements", "rfc8785"}


def test_every_command_is_documented() -> None:
    lines = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text().splitlines()
    assert sorted(IDS) == [line[len("## `casemate ") : -1] for line in lines if line.startswith("## ")]


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_every_command_has_help_with_an_example_of_itself(casemate: Casemate, words: tuple[str, ...]) -> None:
    said = casemate(*words, "--help")
    assert (said.status, said.errors) == (0, "")
    plain = " ".join(said.output.replace("│", " ").split())
    assert f"Example: casemate {' '.join(words)}" in plain
    assert "--json" in plain


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_a_wrong_option_is_one_json_object_with_json(casemate: Casemate, words: tuple[str, ...]) -> None:
    error = casemate(*words, "--json", "--no-such-option").data["error"]
    assert error["code"] == "usage"
    assert "No such option: --no-such-option" in error["message"]
    assert f"casemate {' '.join(words)} --help" in error["remedy"]


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_a_wrong_option_is_a_sentence_without_json(casemate: Casemate, words: tuple[str, ...]) -> None:
    said = casemate(*words, "--no-such-option")
    assert (said.status, said.output) == (2, "")
    assert said.errors.startswith("error: No such option: --no-such-option")


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_too_many_words_are_refused(casemate: Casemate, words: tuple[str, ...]) -> None:
    said = casemate(*words, "--json", *["x"] * 9)
    assert said.status != 0
    assert set(said.data) == {"error"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("polcy", "--json"),
        ("policy", "chek", "--json"),
        ("policy", "--json"),
        ("--json",),
        ("--nonsense", "--json"),
        ("policy", "check", "--json"),
        ("custodian", "serve", "main", "--port", "none", "--json"),
        ("custodian", "attest", "main", "--wait", "-1", "--json"),
        ("why", "--custodian", "--json"),
    ],
)
def test_other_mistakes_of_usage_are_one_json_object(casemate: Casemate, arguments: tuple[str, ...]) -> None:
    said = casemate(*arguments)
    if said.output:
        assert said.data["error"]["code"] == "usage"
    assert said.status == 2


def test_a_misspelt_command_is_guessed(casemate: Casemate) -> None:
    assert "Did you mean 'policy'?" in casemate("polcy").errors
    assert "Did you mean 'check'?" in casemate("policy", "chek").errors


@pytest.mark.parametrize("name", ["caf\udce9", "a\nb", "\x1b[31m", "ü", " ", "x" * 300, "", "../../x", "#", "sha256:"])
def test_odd_words_are_told_and_not_stumbled_over(casemate: Casemate, name: str) -> None:
    for words in (
        ("identity", "show"), ("identity", "create"), ("policy", "check"), ("policy", "submit"), ("policy", "show"),
        ("policy", "history"), ("policy", "init", "--owner", "x"),
        ("policy", "seal", "a/b", "--from", "x", "--into", "y"),
        ("manifest", "show"), ("manifest", "verify"), ("run",), ("why",), ("custodian", "serve"),
        ("custodian", "attest"), ("custodian", "status", "--custodian"), ("custodian", "attest", "x", "--url"),
    ):  # fmt: skip
        plain = casemate(*words, name)
        assert plain.status not in {0, 1}, (words, plain.errors)
        assert "\x1b" not in plain.errors
        assert plain.errors.startswith("error: ")
        assert set(casemate(*words, name, "--json").data) == {"error"}


@pytest.mark.parametrize("words", [(), ("policy",), ("custodian",)])
def test_no_words_show_the_help(casemate: Casemate, words: tuple[str, ...]) -> None:
    said = casemate(*words)
    assert said.status == 2
    assert "Usage: casemate" in said.output + said.errors


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("why", "a" * 40, "--custodian", "a", "--custodian", "b"), "--custodian"),
        (("custodian", "attest", "--identity", "x", "--identity", "y"), "--identity"),
        (("policy", "init", "a/b", "--owner", "x", "--output", "1", "-o", "2"), "-o/--output"),
    ],
)
def test_an_option_that_can_count_only_once_is_refused_twice(
    casemate: Casemate, arguments: tuple[str, ...], option: str
) -> None:
    error = casemate(*arguments, "--json").data["error"]
    assert "is given twice" in error["message"]
    assert set(option.split("/")) & set(error["message"].split()[0].split("/"))


def test_options_that_may_repeat_and_flags_may(casemate: Casemate) -> None:
    error = casemate("policy", "init", "a/b", "--owner", "x", "--owner", "y", "--json", "--json").data["error"]
    assert "custodian" in error["message"]


def test_what_belongs_to_a_program_is_told_apart(casemate: Casemate) -> None:
    for command in (("manifest", "build", "--policy", "a/b#c", "prog"), ("run", "a/b#c")):
        error = casemate(*command, "--port", "1", "--json").data["error"]
        assert "what belongs to the program comes after --" in error["remedy"]
    # After `--` it is the program's own, so that this is a sentence.
    assert casemate("manifest", "build", "--policy", "a/b", "--", "prog", "--json").errors.startswith("error:")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--version"], set()),
        (["run", "acme/x#y"], {"pydantic", "cryptography", "rfc8785"}),
        (["identity", "list"], {"pydantic", "cryptography"}),
        (["image", "protect", "oci:x:1", "oci:y:1", "--policy", "acme/x#y"], SLOW - {"httpx"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], allowed: set[str], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom casemate.cli.main import main\nsys.argv = ['casemate', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules, file=sys.__stderr__)"
    )
    environment = {**os.environ, "CASEMATE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "casemate.cli.main" in loaded
    assert SLOW & loaded <= allowed


def test_loading_one_command_loads_no_other() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert list(group.commands)[:2] == ["run", "why"]
    script = (
        "import sys, typer.main\nfrom casemate.cli.main import app\n"
        "typer.main.get_command(app).commands['policy'].commands['check']\nprint(*sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("casemate.cli.policy.")}
    assert loaded == {"casemate.cli.policy.check"}
