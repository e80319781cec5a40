"""The number of files that a process may have open: a low limit has consequences that do not look like it."""

from __future__ import annotations

import sys


def file_limit(*, is_hard: bool = False) -> int:
    """Return how many files this process may have open, or up to how many it may raise that (*is_hard*)."""
    try:
        import resource
    except ImportError:  # Windows
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1 if is_hard else 0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
