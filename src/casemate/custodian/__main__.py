"""The measured custodian: `python -m casemate.custodian init|serve|restore`, started by its shield.

Everything that a host can choose is a named hole of the launch manifest.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from casemate.custodian import setup
from casemate.custodian.opening import UnconfirmedError, open_state
from casemate.custodian.platform_channel import PlatformChannel
from casemate.custodian.serving import Listeners, listen, serve
from casemate.custodian.workers import configure_logging
from casemate.custodian.working import work
from casemate.errors import CasemateError


def main() -> int:
    arguments = _parser().parse_args()
    configure_logging()
    try:
        arguments.run(arguments)
    except CasemateError as error:
        _complain(error)
        return error.exit_code
    return 0


def _init(arguments: argparse.Namespace) -> None:
    channel = PlatformChannel.from_environment()
    sys.stdout.write(setup.init(arguments.data, arguments.anchor, channel.sealing_key()) + "\n")


def _serve(arguments: argparse.Namespace) -> None:
    channel = PlatformChannel.from_environment()
    with ExitStack() as open_ones:
        ports = [arguments.port, arguments.tls_port] if arguments.tls_port else [arguments.port]
        listeners = [open_ones.enter_context(listen(arguments.address, port)) for port in ports]
        opened = open_state(arguments.data, arguments.anchor, channel.sealing_key())
        asyncio.run(serve(opened, channel, Listeners(*listeners), arguments.workers, arguments.data))


def _restore(arguments: argparse.Namespace) -> None:
    channel = PlatformChannel.from_environment()
    done = setup.restore(arguments.data, arguments.anchor, channel.sealing_key(), datetime.now(UTC))
    sys.stderr.write(done + "\n")


def _work(arguments: argparse.Namespace) -> None:
    work(arguments.connection, arguments.listener, arguments.data, tls=arguments.tls_listener)


def _complain(error: CasemateError) -> None:
    """One line: what, where, what came, what to do."""
    step = f" [{error.step}]" if error.step else ""
    got = f" (expected {error.expected}, got {error.got})" if error.expected and error.got else ""
    cure = f"; {error.remedy}" if error.remedy else ""
    # What the board signs is a line of its own before it.
    report = f"{error.report}\n" if isinstance(error, UnconfirmedError) else ""
    sys.stderr.write(f"{report}casemate-custodian: {error.message}{got}{step}{cure}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="casemate-custodian", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)
    for name, run in (("init", _init), ("serve", _serve), ("restore", _restore)):
        command = commands.add_parser(name, allow_abbrev=False)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--anchor", type=Path, required=True)
        command.add_argument("--address", default="127.0.0.1")
        command.add_argument("--port", type=int, default=7700)
        command.add_argument("--tls-port", type=int, default=0)
        command.add_argument("--workers", type=int, default=2)
        command.set_defaults(run=run)
    worker = commands.add_parser("worker", allow_abbrev=False)
    worker.add_argument("--connection", type=int, required=True)
    worker.add_argument("--listener", type=int, required=True)
    worker.add_argument("--tls-listener", type=int)
    worker.add_argument("--data", type=Path, required=True)
    worker.set_defaults(run=_work)
    return parser


if __name__ == "__main__":
    sys.exit(main())
