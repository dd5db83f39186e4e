"""Writes what is generated from the code: JSON Schemas, openapi.json, exit codes, CLI help. `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import typer.main
from casemate.custodian.openapi import openapi_document
from casemate.secrets.catalogue import SCHEMAS
from click import Context, Group

from casemate import errors
from casemate.cli.main import app
from casemate.wire import custodian, dsse, evidence, manifest, policies, problem, release
from casemate.wire.fields import Model

ROOT = Path(__file__).parent.parent
MODULES = (custodian, dsse, evidence, manifest, policies, problem, release)


def outputs() -> Iterator[tuple[str, str]]:
    """Paths below the project and what belongs into them."""
    for model in _models():
        yield f"spec/schemas/{model.__name__}.json", _pretty(model.model_json_schema())
    for schema in SCHEMAS.values():
        yield f"spec/schemas/secrets/{schema.kind}.json", _pretty(schema.spec.model_json_schema())
    yield "spec/openapi.json", _pretty(openapi_document())
    yield "spec/exit-codes.md", _exit_codes()
    yield "docs/reference/cli.md", _cli()


def main() -> int:
    stale = []
    for name, text in outputs():
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"out of date: {', '.join(stale)}\nrun: make generate\n")
        return 1
    return 0


def _models() -> list[type[Model]]:
    found = {
        value.__name__: value
        for module in MODULES
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and issubclass(value, Model)
    }
    return [found[name] for name in sorted(found)]


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _exit_codes() -> str:
    rows = sorted(
        (item.exit_code, item.code, (item.__doc__ or "").split("\n")[0] if "__doc__" in vars(item) else "")
        for name in errors.__all__
        if issubclass(item := getattr(errors, name), errors.CasemateError)
    )
    lines = [f"| {number} | `{code}` |" for number, code, _ in rows]
    shield = (ROOT / "crates/shield/EXIT-CODES.md").read_text()
    return (
        "# Exit codes\n\nNever reused. The tree with its meanings is in `src/casemate/errors.py`.\n\n"
        "| exit code | error |\n|---|---|\n" + "\n".join(lines) + "\n\n" + shield
    )


def _cli() -> str:
    command = typer.main.get_command(app)
    return "# Command line\n\n" + "\n".join(_help(command, Context(command, info_name="casemate", terminal_width=100)))


def _help(command: object, context: Context) -> Iterator[str]:
    assert hasattr(command, "get_short_help_str")
    if isinstance(command, Group):
        for name in sorted(command.commands):
            inner = command.commands[name]
            yield from _help(inner, Context(inner, info_name=name, parent=context, terminal_width=100))
        return
    yield f"## `{context.command_path}`\n\n{context.command.help or ''}\n"
    for parameter in context.command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {record[1]}"
    yield ""


if __name__ == "__main__":
    sys.exit(main())
