"""`--at`: the option of commands that show an experiment as it was."""

from __future__ import annotations

import click

AT = click.option(
    "--at", metavar="WHEN", help='As of then: a decision ("50": what it knew), a time in UTC, or 2h-ago.'
)  # fmt: skip
AT_TIME = click.option("--at", metavar="WHEN", help='As of then: a time in UTC ("2026-11-30 15:00"), or 2h-ago.')
