"""Limits: when a call of fmin stops."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a call of fmin stops."""

    max_evals: int = sys.maxsize
    """Number of trials in all, those of earlier calls included."""
    timeout: float | None = None
    loss_threshold: float | None = None
    max_queue_len: int | None = None
