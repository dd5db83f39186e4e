"""Writes what is generated: schemas, openapi.json, vectors, exit codes, CLI help. `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
import typer.main
from typer.core import TyperGroup

from casemate import errors
from casemate.cli.main import app
from casemate.custodian import openapi
from casemate.policy.form import DocumentForm
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire import custodian, dsse, evidence, manifest, policies, problem, release, results, statements, volumes
from casemate.wire.fields import Model
from scripts import vectors

ROOT = Path(__file__).parent.parent
MODULES = (custodian, dsse, evidence, manifest, policies, problem, release, results, statements, volumes)


def outputs() -> Iterator[tuple[str, str]]:
    """Paths below the project and what belongs into them."""
    for model in _models():
        yield f"spec/schemas/{model.__name__}.json", _pretty(model.model_json_schema())
    yield "spec/schemas/PolicyDocument.json", _pretty(DocumentForm.model_json_schema())
    for schema in SCHEMAS.values():
        yield f"spec/schemas/secrets/{schema.kind}.json", _pretty(schema.spec.model_json_schema())
    yield "spec/openapi.json", openapi.render()
    yield from vectors.outputs()
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
    return (
        "# Exit codes of the command line\n\n"
        "Never reused. The tree with its meanings is in `src/casemate/errors.py`; `casemate run` ends with the\n"
        "workload's status, or the shield's: manifest.md, \"Exit status of the shield\".\n\n"
        "| exit code | error |\n|---|---|\n" + "\n".join(lines) + "\n"
    )


def _cli() -> str:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return "# Command line\n\n" + "\n".join(_help(command, typer.Context(command, info_name="casemate")))


def _help(group: TyperGroup, context: typer.Context) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        inner = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield from _help(command, inner)
            continue
        yield f"## `{inner.command_path}`\n\n{command.help or ''}\n"
        records = (parameter.get_help_record(inner) for parameter in command.params)
        yield from (f"- `{record[0]}`: {record[1]}" for record in records if record is not None)
        yield ""


if __name__ == "__main__":
    sys.exit(main())
