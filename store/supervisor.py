"""Runs the embedded mongod: starts it, starts it again when it dies, stops it when its last user is gone.

A program of its own, `python -I -S supervisor.py LOCK COMMAND…`, run by `hstore.store.server_process` in the folder
that `hstore.store.server_home` describes. It imports nothing of hstore, and little else, to use little memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import sys
import threading
import time

LINGER = 1.0
"""Seconds that the server outlives its last user, so that one command after the other finds it warm."""
TIMEOUT = 10.0
"""Seconds that mongod gets to stop by itself."""
SHORT_LIFE = 3.0
"""Seconds within which a mongod that dies is not started again: the process that waits for it reports the cause."""


class Supervisor:
    """Keeps one mongod running as long as it has users."""

    def __init__(self, lock: int, command: list[str]) -> None:
        self.lock = lock
        self.command = command
        self.data = os.path.abspath("data")
        self.pid = 0
        self.is_stopping = False

    def run(self) -> None:
        """Return when mongod is stopped, or not worth another start."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        threading.Thread(target=self.stop_after_last_user, daemon=True).start()
        self.pid = running_mongod(self.data)
        while True:
            began = time.monotonic()
            self.pid = self.pid or os.posix_spawn(self.command[0], self.command, os.environ)
            write_pids(self.lock, os.getpid(), self.pid)
            if self.is_stopping:  # the signal came before there was a mongod to pass it on to
                self.stop()
            wait_for_end(self.pid, self.data)
            if self.is_stopping or time.monotonic() - began < SHORT_LIFE:
                return
            self.pid = 0

    def stop(self) -> None:
        """Ask mongod to end, and kill it if it does not within `TIMEOUT`."""
        self.is_stopping = True
        if self.pid:
            signal.signal(signal.SIGALRM, lambda *_: kill(self.pid, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, TIMEOUT)
            kill(self.pid, signal.SIGTERM)

    def stop_after_last_user(self) -> None:
        """Stop when no process holds `users.lock` any more; newcomers then wait for the end of this process."""
        users = os.open("run/users.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        while True:
            fcntl.flock(users, fcntl.LOCK_EX)  # the kernel grants it, however the last user ended
            fcntl.flock(users, fcntl.LOCK_UN)
            time.sleep(LINGER)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not os.path.exists("run/keep.json"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return
            fcntl.flock(users, fcntl.LOCK_UN)


def running_mongod(data: str) -> int:
    """Return the pid of the mongod that runs on folder *data*, or 0. Not while one may be starting there."""
    try:
        with open(os.path.join(data, "mongod.lock"), "rb") as lock:
            if not is_locked(lock.fileno()):
                return 0
            pid = int(lock.read())
        with open(f"/proc/{pid}/cmdline", "rb") as arguments:  # a pid of another container must not be killed
            return pid if os.fsencode(data) in arguments.read().split(b"\0") else 0
    except (OSError, ValueError):
        return 0


def is_locked(file: int) -> bool:
    """Return whether another process has *file* locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def wait_for_end(pid: int, data: str) -> None:
    """Return when the mongod *pid* of folder *data*, our child or adopted, has ended."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        with open(os.path.join(data, "mongod.lock"), "rb") as lock:
            while is_locked(lock.fileno()):
                time.sleep(0.1)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def write_pids(file: int, *pids: int) -> None:
    """Replace the content of *file* by *pids*; a reader sees the old ones or the new ones."""
    os.pwrite(file, " ".join(map(str, pids)).ljust(32).encode(), 0)


def main() -> None:
    """Take over the lock that was inherited, go to the background, supervise."""
    lock, *command = sys.argv[1:]
    if os.fork():
        os._exit(0)  # the process that started this one neither waits for it nor has to reap it
    os.set_inheritable(int(lock), False)
    os.umask(0o077)  # all that mongod writes is for this user alone, whatever the shell says
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):  # mongod needs more files than a careful shell allows
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Supervisor(int(lock), command).run()


if __name__ == "__main__":
    main()
