"""`python -m hstore.compat`: run a program that was written for hyperopt on hstore, unchanged."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click

from hstore.cli.printing import print_text

WORKER = "from hstore.cli.hyperopt_worker import main"


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,  # the arguments after SCRIPT are its own
        "max_content_width": 110,
    }
)
@click.option("-m", "is_module", is_flag=True, help="SCRIPT is the name of a module, as for python -m.")
@click.option(
    "--install-worker", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Instead, write a program hyperopt-mongo-worker into DIR: hstore-mongo-worker under hyperopt's name.",
)  # fmt: skip
@click.argument("script", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def compat(is_module: bool, folder: Path | None, script: str | None, args: tuple[str, ...]) -> Callable[[], object]:
    """Run SCRIPT with ARGS as python does, but for `import hyperopt`, which yields hstore.

    SCRIPT and the packages that it uses need no change, and hyperopt need not be installed. The same holds in the
    Python processes that SCRIPT starts.

    \b
    python -m hstore.compat search.py --evals 100
    python -m hstore.compat -m my_package.search
    python -m hstore.compat --install-worker .venv/bin
    """
    if folder is not None:
        if script is not None:
            raise click.UsageError("--install-worker takes no SCRIPT")
        path = install_worker(folder)
        return lambda: print_text(f"wrote {path}")
    if script is None:
        raise click.UsageError("Missing argument 'SCRIPT'.")
    from hstore.engine.hyperopt.import_hook import install

    sys.argv = [script, *args]
    if is_module:
        install()
        if not _is_there(script):
            raise click.BadParameter(f"no module named {script}", param_hint="SCRIPT")
        return lambda: runpy.run_module(script, run_name="__main__", alter_sys=True)
    if not Path(script).exists():
        raise click.BadParameter(f"no such file: {script}", param_hint="SCRIPT")
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(script).resolve().parent)  # `python -m` has put the current folder there
    install()
    return lambda: runpy.run_path(script, run_name="__main__")


def install_worker(folder: Path) -> Path:
    """Write hyperopt's program `hyperopt-mongo-worker` into *folder*, which is made if missing; return its path.

    The program runs hstore's worker by this Python. Raises `click.UsageError` if hyperopt's own is there.
    """
    path = folder.resolve() / "hyperopt-mongo-worker"
    if path.exists() and WORKER not in path.read_text(errors="replace"):
        raise click.UsageError(f"{path} exists and was not written by hstore; remove it, or choose another directory")
    folder.mkdir(parents=True, exist_ok=True)
    # As pip begins its scripts, for sh and Python alike: a first line cannot name a Python whose path holds spaces.
    begins = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
    path.write_text(f"{begins}{WORKER}\n\nmain()\n")
    path.chmod(0o755)
    return path


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def main() -> None:
    """Run the command line; an error of the program ends it as it would under python."""
    try:
        program = compat.main(prog_name="python -m hstore.compat", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    if callable(program):
        program()
