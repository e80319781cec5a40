"""hyperopt's URLs, mongo://user@host:port/db/jobs: their parts, and the password that it keeps in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

from hstore.store.errors import BadUrl

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

PROTOCOLS = ("mongo", "mongo+ssh", "ssh+mongo")
EXAMPLE = "mongo://host:27017/my_database/jobs"
TUNNEL_PORT = 27500


def as_mongo_str(s: str) -> str:
    """Return *s*, host:port/db or any URL of a MongoDB, as a URL."""
    return s if "://" in s else f"mongo://{s}"


def password_file() -> Path:
    """Return the file that holds the password of users who give none: ~/.hyperopt."""
    return Path.home() / ".hyperopt"


def read_pw(file: str | Path | None = None) -> str:
    """Return the password in *file* (~/.hyperopt), without the end of its line. Raises `BadUrl` if it has none."""
    path = password_file() if file is None else Path(file)
    try:
        password = path.read_text().rstrip("\r\n")
    except OSError as error:
        raise BadUrl(
            f"no password was given, and {path} cannot be read: {error.strerror}",
            hint="put the password into that file, or into the URL: mongo://user:password@host:port/db/jobs",
        ) from error
    if not password:
        raise BadUrl(f"no password was given, and {path} holds none")
    return password


def parse_url(
    url: str, pwfile: str | Path | None = None
) -> tuple[str, str | None, str | None, str, int, str, str, str | None]:
    """Return (protocol, user, password, host, port, database, collection, authentication database) of hyperopt's *url*.

    pwfile: where the password of a user stands for whom *url* has none. Raises `BadUrl` for what is not of that form.
    """
    try:
        parts = urlsplit(url)
        host, port, (database, collection) = parts.hostname, parts.port, parts.path.strip("/").split("/")
    except ValueError as error:
        raise _not_hyperopts(url) from error
    if parts.scheme not in PROTOCOLS or not host or port is None:
        raise _not_hyperopts(url)
    password = parts.password
    if parts.username and password is None and pwfile is not None:
        password = read_pw(pwfile)
    options = dict(option.partition("=")[::2] for option in parts.query.split("&") if option)
    return parts.scheme, parts.username, password, host, port, database, collection, options.get("authSource")


def _not_hyperopts(url: str) -> BadUrl:
    from hstore.store.url import redacted

    return BadUrl(
        f"{redacted(url)[:200]} is not hyperopt's mongo://host:port/db/jobs", hint=f"one looks like {EXAMPLE}"
    )


def with_password(host: str) -> str:
    """Return *host*, "user@host:port", with the password that hyperopt would read from its file; others as they are."""
    user, at, rest = host.rpartition("@")
    if not at or ":" in user:
        return host
    return f"{user}:{quote_plus(read_pw())}@{rest}"


def needs_tunnel(url: str) -> BadUrl:
    """Return what is to be said of *url*, which hyperopt would have reached by ssh."""
    from hstore.store.url import redacted

    hint = "open a tunnel, ssh -NTf -L 27500:127.0.0.1:PORT HOST, and use mongo://127.0.0.1:27500/db/jobs"
    try:
        _, user, _, host, port, database, collection, _ = parse_url(url)
        login = "" if user is None else f"{user}@"
        hint = (
            f"open a tunnel, `ssh -NTf -L {TUNNEL_PORT}:127.0.0.1:{port} {host}`, "
            f"and use mongo://{login}127.0.0.1:{TUNNEL_PORT}/{database}/{collection}"
        )
    except BadUrl:
        pass
    return BadUrl(f"{redacted(url)[:200]}: hstore opens no ssh tunnels", hint=hint)


def connection_from_string(s: str) -> tuple[Any, None, Database[dict[str, Any]], Collection[dict[str, Any]]]:
    """Return (client, None, database, collection) of hyperopt's URL *s*: the second was for a tunnel by ssh."""
    from hstore.store.url import connect, parse

    place = parse(as_mongo_str(s))
    database = connect(place)
    collection = parse_url(s)[6] if s.startswith("mongo://") else "jobs"
    return database.client, None, database, database[collection]


def connection_with_tunnel(
    dbname: str,
    host: str = "localhost",
    auth_dbname: str | None = None,
    port: int = 27017,
    ssh: bool = False,
    user: str | None = "hyperopt",
    pw: str | None = None,
) -> tuple[Any, None]:
    """Return (client, None) of the server at *host* and *port*; without *pw* it is read from hyperopt's file.

    Raises `BadUrl`, saying how to open one, if a tunnel by *ssh* is asked for.
    """
    if ssh:
        raise needs_tunnel(f"ssh+mongo://{host}:{port}/{dbname}/jobs")
    login = "" if user is None else f"{quote_plus(user)}:{quote_plus(read_pw() if pw is None else pw)}@"
    source = "" if auth_dbname is None else f"?authSource={auth_dbname}"
    return connection_from_string(f"mongo://{login}{host}:{port}/{dbname}/jobs{source}")[0], None
