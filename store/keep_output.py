"""Of which trials the output is kept; by itself, since the help of a command names the choices."""

from __future__ import annotations

KEEP_OUTPUT = ("failed", "always", "never")
"""Of which trials workers keep what the objective writes to stdout and stderr."""
