"""The locks of the embedded server: who uses it, who starts or stops it, and who supervises it.

The supervisor waits to have `users.lock` for itself; the kernel grants it when the last user is gone, by SIGKILL too.
It holds the lock while it stops mongod, so newcomers wait and then start afresh. A forked child shares its parent's
lock: it is a user as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from hstore.store.errors import HstoreError, NoMongod, StoreUnreachable
from hstore.store.server_home import ServerHome, open_private

if sys.platform != "win32":
    import fcntl

__all__ = ["ServerLocks", "is_only_user"]


class ServerLocks:
    """The locks in the folder `run` of one embedded server."""

    def __init__(self, home: ServerHome) -> None:
        self.home = home
        self._users: int | None = None

    # -- who starts and stops ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def starting(self, deadline: float) -> Iterator[None]:
        """Hold start.lock, in folders that exist and belong to this user; *deadline* is one of `time.monotonic`.

        Raises `StoreUnreachable` if that cannot be, `NoMongod` on a system without Unix sockets.
        """
        if sys.platform == "win32":
            raise NoMongod("the embedded server needs Unix sockets", hint="set HSTORE_URL to a running MongoDB")
        try:
            self.home.prepare()
            lock = self.wait("start.lock", fcntl.LOCK_EX, deadline)
        except OSError as error:
            if isinstance(error, HstoreError):
                raise
            is_limit = error.errno in (errno.EMFILE, errno.ENFILE)
            hint = "raise the limit of open files with `ulimit -n`" if is_limit else "set HSTORE_HOME to another folder"
            raise StoreUnreachable(f"cannot use {self.home.path}: {error.strerror}", hint=hint) from error
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough if a thread forked meanwhile
            os.close(lock)

    def attempt(self, name: str, kind: int | None = None) -> int | None:
        """Return the open file run/*name*, locked, or None if another process holds the lock.

        kind: fcntl.LOCK_SH or LOCK_EX, the latter without it.
        """
        file = open_private(self.home.run / name, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if kind is None else kind) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def wait(self, name: str, kind: int, deadline: float) -> int:
        """Return the open file run/*name*, locked; raises `StoreUnreachable` at the *deadline*."""
        while (file := self.attempt(name, kind)) is None:
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"{self.home.run / name} stays locked by another process",
                    hint=f"mongod (pid {self.mongod_pid()}) or the process that starts it may be frozen",
                )
            time.sleep(0.005)
        return file

    # -- who uses the server -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def joined(self, deadline: float) -> Iterator[None]:
        """Make this process a user, who remains one unless the body raises."""
        is_new = self._users is None
        if self._users is None:
            self._users = self.wait("users.lock", fcntl.LOCK_SH, deadline)
        try:
            yield
        except BaseException:
            if is_new:
                self.leave()
            raise

    def leave(self) -> None:
        """Stop being a user."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    @contextlib.contextmanager
    def sharing(self, deadline: float) -> Iterator[int]:
        """Be a user while something is started or stopped by hand, once no supervisor is stopping it."""
        users = self.wait("users.lock", fcntl.LOCK_SH, deadline)
        try:
            yield users
        finally:
            os.close(users)

    def user_pids(self) -> list[int]:
        """Return the processes that use the server, as far as the system tells."""
        try:
            users = (self.home.run / "users.lock").stat()
            locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        except OSError:
            return []
        file = f"{os.major(users.st_dev):02x}:{os.minor(users.st_dev):02x}:{users.st_ino}"
        shares = [lock for lock in locks if lock[1:4:2] == ["FLOCK", "READ"] and lock[5] == file]
        return sorted({int(lock[4]) for lock in shares})

    # -- who supervises ----------------------------------------------------------------------------------------

    def recorded_pids(self) -> tuple[int, int]:
        """Return what the supervisor last wrote: its pid and mongod's, or zeros."""
        try:
            with open(open_private(self.home.run / "supervisor.lock", os.O_RDONLY)) as file:
                supervisor, mongod = file.read().split()
        except (OSError, ValueError):
            return 0, 0
        return int(supervisor), int(mongod)

    def mongod_pid(self) -> int | None:
        """Return the process id of mongod, None if it does not run."""
        pid = self.recorded_pids()[1]
        if not pid:
            return None
        import psutil  # which few commands need, and which takes long

        with contextlib.suppress(psutil.Error):
            if str(self.home.data) in psutil.Process(pid).cmdline():  # another process may have the pid by now
                return pid
        return None


def is_only_user(users: int) -> bool:
    """Return whether no other process shares the lock *users*; if so, none can until it is closed."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
