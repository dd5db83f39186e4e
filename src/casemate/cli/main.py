"""`casemate`: assembles the commands and turns errors into exit codes (spec/exit-codes.md)."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from casemate.cli import (
    run,
    why,
)
from casemate.cli._output import fail
from casemate.cli.custodian import attest as custodian_attest
from casemate.cli.custodian import init as custodian_init
from casemate.cli.custodian import restore as custodian_restore
from casemate.cli.custodian import serve as custodian_serve
from casemate.cli.custodian import status as custodian_status
from casemate.cli.identity import create as identity_create
from casemate.cli.identity import list as identity_list
from casemate.cli.identity import show as identity_show
from casemate.cli.manifest import build as manifest_build
from casemate.cli.manifest import show as manifest_show
from casemate.cli.manifest import verify as manifest_verify
from casemate.cli.platform import init as platform_init
from casemate.cli.platform import show as platform_show
from casemate.cli.platform import simulate as platform_simulate
from casemate.cli.policy import check as policy_check
from casemate.cli.policy import history as policy_history
from casemate.cli.policy import init as policy_init
from casemate.cli.policy import seal as policy_seal
from casemate.cli.policy import show as policy_show
from casemate.cli.policy import submit as policy_submit
from casemate.errors import CasemateError

__all__ = ["app", "main"]

app = typer.Typer(
    name="casemate",
    help="Run unmodified applications on computers that nobody has to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _group(name: str, text: str, commands: dict[str, object]) -> None:
    group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode="markdown")
    for command, function in commands.items():
        group.command(command)(function)  # type: ignore[type-var]  # modules hold plain functions
    app.add_typer(group, name=name)


_group(
    "identity",
    "Keys of people and programs.",
    {"create": identity_create.create, "list": identity_list.list_identities, "show": identity_show.show},
)
_group(
    "policy",
    "Who gets what: policies and their versions.",
    {
        "init": policy_init.init,
        "check": policy_check.check,
        "seal": policy_seal.seal,
        "submit": policy_submit.submit,
        "show": policy_show.show,
        "history": policy_history.history,
    },
)
_group(
    "manifest",
    "Launch manifests: what exactly a workload is.",
    {"build": manifest_build.build, "show": manifest_show.show, "verify": manifest_verify.verify},
)
_group(
    "custodian",
    "The service that keeps policies and releases secrets.",
    {
        "init": custodian_init.init,
        "serve": custodian_serve.serve,
        "attest": custodian_attest.attest,
        "status": custodian_status.status,
        "restore": custodian_restore.restore,
    },
)
_group(
    "platform",
    "Where trust domains come from.",
    {"init": platform_init.init, "simulate": platform_simulate.simulate, "show": platform_show.show},
)
app.command("run")(run.run)
app.command("why")(why.why)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"casemate {version('casemate')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: no traceback for a mistake of a person's, a documented exit code for each kind of failure."""
    try:
        app()
    except CasemateError as error:
        fail(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
