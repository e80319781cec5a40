"""Commands one of whose arguments may be a negative number, which looks like an option."""

from __future__ import annotations

import re

import click

NEGATIVE = re.compile(r"-(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|-(?:nan|inf(?:inity)?)", re.IGNORECASE)


class TakesNegativeNumbers(click.Command):
    """A command none of whose options is of a letter in a number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`: what no option is called is an argument, if some of *args* are negative numbers."""
        ctx.ignore_unknown_options = any(map(NEGATIVE.fullmatch, args))
        return super().parse_args(ctx, args)
