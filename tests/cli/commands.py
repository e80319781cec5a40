"""The command line, run in the process of the tests."""

from click.testing import CliRunner, Result

from hstore.cli.app import app


def run(url: str, *args: str, given: str | bytes | None = None) -> Result:
    """Return what came of `hstore --store URL ARGS…`, which reads *given* from stdin."""
    return CliRunner().invoke(app, ["--store", url, *args], input=given)
