"""Person: who is at the keyboard, for the notes that people write. Nothing proves it; signatures are in `keys`."""

from __future__ import annotations

import getpass
import os

GIT_SECONDS = 2.0
"""How long git may take to say who its user is."""


def person() -> str:
    """Return who acts: $HSTORE_USER, else git's user.name, else the login, else the number of the user."""
    return os.environ.get("HSTORE_USER", "").strip() or _git_user() or login()


def _git_user() -> str:
    import subprocess  # which few commands need

    try:
        found = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False, timeout=GIT_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # there is no git, or its answer is not UTF-8
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def login() -> str:
    """Return the login name, or the number of a user without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())
