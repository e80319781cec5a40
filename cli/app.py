"""The command group `hstore`: its commands, its help, and errors as one line with an exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from hstore.cli.ask import ask, fail, tell
from hstore.cli.best import best
from hstore.cli.check import check
from hstore.cli.correct import amend, note, tag, unvoid, void
from hstore.cli.db import db
from hstore.cli.diff import diff
from hstore.cli.doctor import doctor
from hstore.cli.enqueue import enqueue
from hstore.cli.explain import explain
from hstore.cli.export import export
from hstore.cli.fork import fork
from hstore.cli.head import head, seal
from hstore.cli.housekeep import archive, copy, rm, title, unarchive
from hstore.cli.import_ import import_
from hstore.cli.importance import importance
from hstore.cli.key import key
from hstore.cli.log import log
from hstore.cli.ls import ls
from hstore.cli.mcp import mcp
from hstore.cli.migrate import migrate
from hstore.cli.pause import pause, resume, stop
from hstore.cli.plot import plot
from hstore.cli.printing import print_note, print_text
from hstore.cli.quarantine import quarantine
from hstore.cli.rebuild import rebuild
from hstore.cli.replay import replay
from hstore.cli.report import report
from hstore.cli.rerun import rerun
from hstore.cli.retry import retry
from hstore.cli.run import run as run_command
from hstore.cli.session import INTERRUPTED, Failure, Group, Session
from hstore.cli.show import show
from hstore.cli.sign import sign
from hstore.cli.snapshot import snapshot
from hstore.cli.status import status
from hstore.cli.ui import ui
from hstore.cli.verify import verify
from hstore.cli.worker import worker
from hstore.store.terminal_text import printable


def _version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print_text(f"hstore {version('hstore')}")
        ctx.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--store", "url", metavar="URL", help="MongoDB URL with a database; default: $HSTORE_URL, else the embedded server."
)
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours; auto: on a terminal."
)
@click.option("--debug", is_flag=True, help="Print a traceback with an error.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def app(ctx: click.Context, url: str | None, color: str, debug: bool) -> None:
    """Inspect, control and verify experiments.

    \b
    hstore ls                     list the experiments
    hstore show digits            show one of them, with its best and latest trials
    hstore status digits --watch  progress, workers, expected end
    hstore ui                     the same and more in a browser, live
    hstore worker digits          evaluate queued trials; start as many workers as you like, on any machine
    hstore pause digits           suggest and start no new trials; continue with hstore resume digits
    hstore stop digits --now      end it, running trials included
    hstore retry digits --failed  evaluate failed trials again
    hstore enqueue digits '{…}'   evaluate a point of your own
    hstore amend digits 7 --loss 0.31 --reason '…'  correct a result; the earlier one stays in the log
    hstore fork digits new --at 120  begin a new search with the first 120 trials of this one
    hstore export digits --csv f  write its trials as a table
    hstore plot digits -o d.png   draw its history, importance and slices
    hstore importance digits      which parameters mattered
    hstore archive digits         hide it from lists; hstore copy, hstore rm
    hstore doctor                 check this installation and the store
    hstore replay digits          recompute every suggestion, and compare

    Results go to stdout, messages to stderr. Exit codes: 2 usage, 3 not found, 5 store unreachable, 6 verification
    failed.
    """
    ctx.obj = Session(url)
    ctx.color = {"always": True, "never": False}.get(color)
    ctx.call_on_close(ctx.obj.close)


COMMANDS = (
    ls, show, best, diff, explain, status, ui, log, export, plot, importance, worker, run_command, pause, resume, stop,
    retry, enqueue, fork, ask, report, tell, fail, void, unvoid, amend, note, tag, replay, verify, check, rebuild,
    snapshot, rerun, archive, unarchive, title, copy, rm, import_, migrate, head, seal, key, sign, quarantine, mcp,
    doctor, db,
)  # fmt: skip
for command in COMMANDS:
    app.add_command(command)


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = [_as_utf8(arg) for arg in sys.argv[1:]] if args is None else args
    try:
        code = app.main(args, prog_name="hstore", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except SystemExit:  # click's end when the reader of our output has closed it
        return 0
    except Exception as error:  # noqa: BLE001 - the last place that can make one line of it
        failure = error if isinstance(error, click.ClickException) else Failure(error)
        failure.message = printable(failure.message)  # type: ignore[misc]  # click quotes what was typed
        with suppress(BrokenPipeError):
            if "--debug" in args:
                import traceback

                print_note("".join(traceback.format_exception(error.__cause__ or error)).rstrip("\n"))
            failure.show()
        return failure.exit_code
    return code if isinstance(code, int) else 0


def _as_utf8(arg: str) -> str:
    """Return *arg* as it was typed on a terminal of UTF-8, also where the locale says that there is only ASCII."""
    with suppress(UnicodeError):
        return os.fsencode(arg).decode()
    return arg


def main() -> NoReturn:
    """Run the command line and leave at once.

    The interpreter itself would wait for pymongo's threads, which sleep half a second at a time; the store is closed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # its reader has gone, or it was closed from the start
            stream.flush()
    os._exit(code)
