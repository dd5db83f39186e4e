"""`casemate`: assembles the commands, one line each. What a command needs is imported when it is asked for."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer
import typer.main

from casemate.cli._ending import run_to_end
from casemate.cli._lazy import lazy

__all__ = ["app", "main"]

_MARKUP: Final = "markdown"

app = typer.Typer(
    name="casemate",
    help="Run unmodified applications on computers that nobody has to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    cls=lazy(
        {
            "run": "casemate.cli.run:run",
            "why": "casemate.cli.why:why",
        }
    ),
)


def _group(name: str, text: str, commands: dict[str, str], *, under: typer.Typer = app) -> typer.Typer:
    group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=_MARKUP, cls=lazy(commands))
    under.add_typer(group, name=name)
    return group


_group(
    "identity",
    "Keys of people and programs.",
    {
        "create": "casemate.cli.identity.create:create",
        "list": "casemate.cli.identity.list:list_identities",
        "show": "casemate.cli.identity.show:show",
    },
)
_group(
    "policy",
    "Who gets what: policies and their versions.",
    {
        "init": "casemate.cli.policy.init:init",
        "check": "casemate.cli.policy.check:check",
        "admit": "casemate.cli.policy.admit:admit",
        "seal": "casemate.cli.policy.seal:seal",
        "submit": "casemate.cli.policy.submit:submit",
        "show": "casemate.cli.policy.show:show",
        "history": "casemate.cli.policy.history:history",
        "decisions": "casemate.cli.policy.decisions:decisions",
    },
)
_group(
    "manifest",
    "Launch manifests: what exactly a workload is.",
    {
        "build": "casemate.cli.manifest.build:build",
        "show": "casemate.cli.manifest.show:show",
        "verify": "casemate.cli.manifest.verify:verify",
    },
)
_group(
    "custodian",
    "The service that keeps policies and releases secrets.",
    {
        "init": "casemate.cli.custodian.init:init",
        "serve": "casemate.cli.custodian.serve:serve",
        "attest": "casemate.cli.custodian.attest:attest",
        "status": "casemate.cli.custodian.status:status",
        "restore": "casemate.cli.custodian.restore:restore",
    },
)
_volume = _group(
    "volume",
    "Sealed volumes: encrypted file systems that notice every change and every rollback.",
    {
        "create": "casemate.cli.volume.create:create",
        "mount": "casemate.cli.volume.mount:mount",
        "unmount": "casemate.cli.volume.unmount:unmount",
        "import": "casemate.cli.volume.import_:import_folder",
        "export": "casemate.cli.volume.export:export",
        "salvage": "casemate.cli.volume.salvage:salvage",
        "copy": "casemate.cli.volume.copy:copy",
        "rekey": "casemate.cli.volume.rekey:rekey",
        "info": "casemate.cli.volume.info:info",
        "check": "casemate.cli.volume.check:check",
        "verify": "casemate.cli.volume.verify:verify",
    },
)
_group(
    "snapshot",
    "What a sealed volume was at some time, under a name.",
    {
        "create": "casemate.cli.volume.snapshot.create:create",
        "list": "casemate.cli.volume.snapshot.list:list_snapshots",
        "delete": "casemate.cli.volume.snapshot.delete:delete",
    },
    under=_volume,
)
_group(
    "image",
    "Protected images: container images that run encrypted and attested.",
    {
        "protect": "casemate.cli.image.protect:protect",
        "from-binary": "casemate.cli.image.from_binary:from_binary",
        "attach": "casemate.cli.image.attach:attach",
        "inspect": "casemate.cli.image.inspect:inspect",
        "verify": "casemate.cli.image.verify:verify",
        "export": "casemate.cli.image.export:export",
        "diff": "casemate.cli.image.diff:diff",
    },
)
_group(
    "evidence",
    "What a platform said of a trust domain: shown, and verified.",
    {
        "collect": "casemate.cli.evidence.collect:collect",
        "show": "casemate.cli.evidence.show:show",
        "verify": "casemate.cli.evidence.verify:verify",
        "verify-result": "casemate.cli.evidence.verify_result:verify_result_command",
        "verify-certificate": "casemate.cli.evidence.verify_certificate:verify_certificate",
    },
)
_group(
    "endorsements",
    "What vendors say of their hardware: fetched, kept, carried, watched over.",
    {
        "fetch": "casemate.cli.endorsements.fetch:fetch",
        "show": "casemate.cli.endorsements.show:show",
        "import": "casemate.cli.endorsements.import_:import_bundle",
        "export": "casemate.cli.endorsements.export:export",
        "outlook": "casemate.cli.endorsements.outlook:show_outlook",
    },
)
_group(
    "output",
    "Sealed output: what workloads write, for nobody but its owner.",
    {
        "seal": "casemate.cli.output.seal:seal",
        "open": "casemate.cli.output.open:open_log",
    },
)
_group(
    "release",
    "Releases: signed statements on what a version consists of, which policies admit.",
    {
        "create": "casemate.cli.release.create:create",
        "sign": "casemate.cli.release.sign:sign",
        "show": "casemate.cli.release.show:show",
        "verify": "casemate.cli.release.verify:verify",
    },
)
_group(
    "platform",
    "Where trust domains come from.",
    {
        "init": "casemate.cli.platform.init:init",
        "simulate": "casemate.cli.platform.simulate:simulate",
        "show": "casemate.cli.platform.show:show",
    },
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # slow, and only this needs it

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
    """Entry point: whatever happens, a documented exit code and no traceback."""
    command = typer.main.get_command(app)
    sys.exit(run_to_end(lambda: command.main(prog_name="casemate", standalone_mode=False), sys.argv[1:]))


if __name__ == "__main__":
    main()
