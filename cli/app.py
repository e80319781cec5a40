"""The command group: opens the store once, for whichever command asks; turns errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from hstore.cli.check import check
from hstore.cli.db import db
from hstore.cli.enqueue import enqueue
from hstore.cli.import_ import import_
from hstore.cli.log import log
from hstore.cli.ls import ls
from hstore.cli.migrate import migrate
from hstore.cli.pause import pause, resume, stop
from hstore.cli.rebuild import rebuild
from hstore.cli.replay import replay
from hstore.cli.retry import retry
from hstore.cli.session import INTERRUPTED, Failure, Group, Session
from hstore.cli.show import show
from hstore.cli.status import status
from hstore.cli.verify import verify
from hstore.cli.worker import worker

if TYPE_CHECKING:
    pass


def _version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        click.echo(f"hstore {version('hstore')}")
        ctx.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--store", "url", metavar="URL", help="MongoDB URL with a database; default: $HSTORE_URL, else the embedded one."
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def app(ctx: click.Context, url: str | None, debug: bool) -> None:
    """Look at searches, steer them, and prove them.

    \b
    hstore ls                     the experiments of the store
    hstore show digits            one of them
    hstore status digits --watch  how it stands, who works on it, when it will be done
    hstore pause digits           have nothing suggested or taken; hstore resume digits
    hstore stop digits --now      end it, and what is running
    hstore worker digits          evaluate what is queued, as many of them as you like, anywhere
    hstore retry digits --failed  evaluate again what failed
    hstore enqueue digits '{…}'   evaluate a point of your own
    hstore replay digits          make its suggestions again and compare bits

    Data goes to stdout, talk to stderr. Exit codes: 2 usage, 3 not found, 5 store unreachable, 6 verification failed.
    """
    ctx.obj = Session(url)
    ctx.call_on_close(ctx.obj.close)


COMMANDS = (
    ls, show, status, log, worker, pause, resume, stop, retry, enqueue, replay, verify, check, rebuild, import_,
    migrate, db,
)  # fmt: skip
for command in COMMANDS:
    app.add_command(command)


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = sys.argv[1:] if args is None else args
    try:
        code = app.main(args, prog_name="hstore", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except SystemExit:  # so click ends when nobody reads on: whoever read our output has seen enough
        return 0
    except Exception as error:  # noqa: BLE001 - nobody after us would make one line of it
        failure = error if isinstance(error, click.ClickException) else Failure(error)
        with suppress(BrokenPipeError):
            if "--debug" in args:
                import traceback

                traceback.print_exception(error.__cause__ or error)
            failure.show()
        return failure.exit_code
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Run the command line and leave at once.

    The interpreter's own way out waits for pymongo's threads, which sleep half a second at a time; the store is closed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # nobody reads it, or it was closed from the start
            stream.flush()
    os._exit(code)
