"""`python -m hstore.compat`: run a program that was written for hyperopt on hstore, unchanged."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,  # the arguments after SCRIPT are its own
        "max_content_width": 110,
    }
)
@click.option("-m", "is_module", is_flag=True, help="SCRIPT is the name of a module, as for python -m.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def compat(is_module: bool, script: str, args: tuple[str, ...]) -> Callable[[], object]:
    """Run the Python program SCRIPT with ARGS; in it, `import hyperopt` imports hstore.

    SCRIPT and the packages that it uses need no change, and hyperopt need not be installed. The same holds in the
    Python processes that SCRIPT starts.

    \b
    python -m hstore.compat search.py --evals 100
    python -m hstore.compat -m my_package.search
    """
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
