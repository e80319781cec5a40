"""Who may use the page: its token, the hosts it answers under, and where its token comes from."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from hstore.store.errors import InvalidValue

LEAST_TOKEN = 20
"""Characters of the shortest token that a file may hold."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""The names of this machine, as a browser writes them in Host and Origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a request must show to be answered."""

    token: str
    hosts: frozenset[str]
    """The Host headers that are answered, with their ports, in lower case."""
    port: int
    is_read_only: bool = False
    has_api: bool = False
    """Whether programs may ask and tell: `--api`."""
    root_path: str = ""
    """What a reverse proxy puts before every path: "/hstore", or empty."""

    @property
    def cookie_name(self) -> str:
        """Return the name of the cookie; browsers share cookies between the ports of a host, so the port is in it."""
        return f"hstore_ui_{self.port}"

    @property
    def cookie(self) -> str:
        """Return the value of the cookie. It is derived from the token, which itself is never stored in the browser."""
        return hmac.new(self.token.encode(), b"hstore ui cookie", hashlib.sha256).hexdigest()

    def accepts_token(self, given: str) -> bool:
        """Return whether *given* is the token."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def accepts_cookie(self, given: str) -> bool:
        """Return whether *given* is the value of the cookie."""
        return hmac.compare_digest(given.encode(), self.cookie.encode())

    def accepts_host(self, host: str) -> bool:
        """Return whether a request with this Host header is answered; a name that was rebound to us is not."""
        return host.lower() in self.hosts

    def accepts_origin(self, origin: str) -> bool:
        """Return whether *origin* is the page itself."""
        scheme, _, host = origin.partition("://")
        return scheme in ("http", "https") and self.accepts_host(host)


def hosts_of(host: str, port: int, more: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the Host headers to answer for a server on *host* and *port*.

    more: names by which a proxy or another machine reaches it, "name" or "name:port", as the browser sends them.
    """
    names = set() if _is_any(host) else {_bracketed(host)}
    if is_loopback(host) or _is_any(host):
        names |= {*LOOPBACK}
    answered = {f"{name}:{port}" for name in names}
    if port == 80:
        answered |= names
    return frozenset(name.lower() for name in (*answered, *more))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server on *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """Return the token in the file *path*; raises `InvalidValue` if it is short, or others can read the file."""
    try:
        token = path.read_text().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidValue(f"the token file {path} cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidValue(f"others can read the token file {path}", hint=f"run `chmod 600 {path}`")
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidValue(
            f"the token in {path} must be at least {LEAST_TOKEN} ASCII characters without spaces",
            hint="make one with `python -c 'import secrets; print(secrets.token_urlsafe())'`",
        )
    return token


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
