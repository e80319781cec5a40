"""What `export` and `import` share of copies between hstore and Optuna; Optuna is imported when one is made."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.engine.optuna.study_copies import CopiedStudy


def copies() -> ModuleType:
    """Return the module that makes copies; raises `ClickException` if Optuna is not installed."""
    try:
        from hstore.engine.optuna import study_copies
    except ModuleNotFoundError:
        raise click.ClickException("this needs Optuna: pip install 'hstore[optuna]'") from None
    return study_copies


def left_out(copied: CopiedStudy) -> str:
    """Return in words how many trials were left out, nothing if none was."""
    return f"; {copied.left_out} that have not ended are left out" if copied.left_out else ""
