"""URLs: which server and database one means, and how to connect to it."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

from hstore.store.errors import BadUrl

if TYPE_CHECKING:
    from pymongo.database import Database

EXAMPLE = "mongodb://host:27017/my_experiments"

OPTIONS: dict[str, Any] = {
    # pymongo's defaults let a frozen primary stall a client for 26 s, with these it is ten. (To ask for its heartbeat
    # more often makes it six, and costs as much as all else that an idle worker does. timeoutMS would do for one that
    # is frozen, but within it pymongo tries and tries again by itself, while nobody hears of it and nobody starts a
    # dead server again.)
    "socketTimeoutMS": 10_000,
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 5_000,
    "appname": "hstore",
    "retryWrites": True,
}
"""What is set unless the URL says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoLocation:
    """Where a store is."""

    uri: str
    database: str
    shown: str
    """The URL without its password, for messages."""
    given: frozenset[str]
    """Names of the options that the URL sets, in lower case."""


def redacted(url: str) -> str:
    """Return *url* in one line, with its passwords, if it has any, as three stars.

    A password that should have been escaped may hold anything, so the last @ ends it.
    """
    url = re.sub(r"(//[^:@]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    url = re.sub(r"((?:password|token)[=:])[^&;,]*", r"\1***", url, flags=re.IGNORECASE)
    return "".join(c if c.isprintable() else "?" for c in url)


def parse(url: str) -> MongoLocation:
    """Return the place that *url* names; raises `BadUrl` saying what is wrong with it.

    mongodb:// and mongodb+srv:// go to pymongo as they are; hyperopt's mongo://host:port/db/jobs is translated. As in
    hyperopt the password of a user who gives none there is read from ~/.hyperopt.
    """
    url = url.strip()
    shown = redacted(url)[:200]
    if url.startswith(("mongo+ssh://", "ssh+mongo://")):
        raise needs_tunnel(url)
    if url.startswith("mongo://"):
        url = _from_hyperopt(url, shown)
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        raise BadUrl(f"{shown!r} is not the URL of a MongoDB", hint=f"one looks like {EXAMPLE}")
    rest = url.partition("://")[2]
    _check_login(rest, shown)
    hosts, _, path = rest.partition("/")
    if not hosts.rpartition("@")[2].partition("?")[0]:
        raise BadUrl(f"{shown} names no host", hint=f"one looks like {EXAMPLE}")
    path, _, options = path.partition("?")
    database = unquote_plus(path)
    if not database:
        raise BadUrl(f"{shown} names no database", hint="add one: …/my_experiments")
    is_name = database.isprintable() and not re.search(r'[/\\. "$*<>:|?]', database)
    if not is_name or len(database.encode()) > 63:
        raise BadUrl(f"{database[:80]!r} cannot be the name of a database", hint="letters, digits, - and _ will do")
    if url.startswith("mongodb://"):  # the other kind needs the network to be understood
        _understood(url, shown)
    given = frozenset(option.partition("=")[0].lower() for option in re.split("[&;]", options) if option)
    return MongoLocation(uri=url, database=database, shown=shown, given=given)


def _check_login(rest: str, shown: str) -> None:
    """Refuse a user or password that is not escaped: cut in the wrong place, it would end up in somebody's message."""
    login, at, _ = rest.partition("?")[0].rpartition("@")
    if not at and ":" in rest.partition("/")[0] and "@" in rest:  # perhaps the ? is part of it
        login, port = rest.rpartition("@")[0], re.search(r":[0-9]+$", rest.partition("/")[0].partition("?")[0])
        login = "" if port else login
    if re.search(r"[/?#\[\]@]|:.*:|%(?![0-9a-fA-F]{2})", login):
        raise BadUrl(
            f"{shown} is not understood: the user and the password in it must be escaped",
            hint="urllib.parse.quote_plus escapes them",
        )


def _understood(url: str, shown: str) -> None:
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parse_uri(url)
    except (PyMongoError, ValueError, OSError, Warning) as error:
        raise BadUrl(
            f"{shown} is not understood: {redacted(str(error)).splitlines()[0]}",
            hint=f"one looks like {EXAMPLE}",
        ) from error


def _from_hyperopt(url: str, shown: str) -> str:
    """Return the standard form of mongo://[user:password@]host:port/db/collection[?authSource=db]."""
    found = re.fullmatch(r"mongo://([^/?]+)/([^/?]+)/([^/?]+)(\?.*)?", url)
    if found is None:
        raise BadUrl(
            f"{shown} is not hyperopt's mongo://host:port/db/jobs",
            hint=f"or use the standard form: {EXAMPLE}",
        )
    host, database, _, options = found.groups()
    return f"mongodb://{with_password(host)}/{database}{options or ''}"


def connect(place: MongoLocation, **options: Any) -> Database[dict[str, Any]]:
    """Return the database at *place*; *options* of the driver go before ours, those of the URL before all.

    Nothing is sent yet. Raises `BadUrl` for what only the driver understands.
    """
    import pymongo
    from pymongo.errors import PyMongoError

    from hstore.store.events import CODEC

    options = {name: value for name, value in (OPTIONS | options).items() if name.lower() not in place.given}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(place.uri, **options)
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        raise BadUrl(f"{place.shown} is not understood: {redacted(str(error)).splitlines()[0]}") from error
    return client.get_database(
        place.database,
        codec_options=CODEC,
        write_concern=pymongo.WriteConcern(w="majority"),
        read_concern=pymongo.read_concern.ReadConcern("majority"),
        read_preference=pymongo.ReadPreference.PRIMARY,
    )


PROTOCOLS = ("mongo", "mongo+ssh", "ssh+mongo")
HYPEROPT_EXAMPLE = "mongo://host:27017/my_database/jobs"
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
    return BadUrl(
        f"{redacted(url)[:200]} is not hyperopt's mongo://host:port/db/jobs", hint=f"one looks like {HYPEROPT_EXAMPLE}"
    )


def with_password(host: str) -> str:
    """Return *host*, "user@host:port", with the password that hyperopt would read from its file; others as they are."""
    user, at, rest = host.rpartition("@")
    if not at or ":" in user:
        return host
    return f"{user}:{quote_plus(read_pw())}@{rest}"


def needs_tunnel(url: str) -> BadUrl:
    """Return what is to be said of *url*, which hyperopt would have reached by ssh."""
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
