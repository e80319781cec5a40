"""URLs: which server and database one means, and how to connect to it."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

from hstore.store.errors import BadUrl, StoreUnreachable
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

EXAMPLE = "mongodb://host:27017/my_experiments"

OPTIONS: dict[str, Any] = {
    # pymongo's defaults let a frozen primary stall a client for 26 s, with these it is ten. (To ask for its heartbeat
    # more often makes it six, and costs as much as all else that an idle worker does. timeoutMS would do for one that
    # is frozen, but within it pymongo tries again by itself, without a message and without a restart of a dead
    # embedded server.)
    "socketTimeoutMS": 10_000,
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 5_000,
    "appname": "hstore",
    "retryWrites": True,
}
"""What is set unless the URL says otherwise."""


SHOWN_OPTIONS = frozenset(
    {
        "appname", "authmechanism", "authsource", "compressors", "connecttimeoutms", "directconnection", "journal",
        "loadbalanced", "maxpoolsize", "minpoolsize", "readconcernlevel", "readpreference", "replicaset", "retryreads",
        "retrywrites", "serverselectiontimeoutms", "sockettimeoutms", "ssl", "timeoutms", "tls", "tlscafile",
        "tlscertificatekeyfile", "w", "wtimeoutms",
    }
)  # fmt: skip
"""Options whose values may be shown, in lower case. All others may hold a secret."""
HIDDEN = "***"
ESCAPE = "urllib.parse.quote_plus escapes them"
SCHEMES = ("mongodb", "mongodb+srv")
FOREIGN_SCHEMES = ("http", "https", "postgres", "postgresql", "mysql", "sqlite", "redis", "file", "s3")
"""Schemes that are repeated in a message, since they are certainly no part of a password."""
HOST = re.compile(r"(?:[\w.-]+|%2F[\w.%+~-]*|\[[0-9a-fA-F:.]+(?:%25\w+)?\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""A host with its port, a socket's path, or an address of IPv6."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class MongoLocation:
    """Where a store is."""

    uri: str = field(repr=False)
    database: str
    shown: str
    """The URL without user, password and other secrets, for messages."""
    hosts: tuple[str, ...]
    """As the URL names them, with their ports if it gives any."""
    given: frozenset[str]
    """Names of the options that the URL sets, in lower case."""


def redacted(url: str) -> str:
    """Return *url* for a message: without user, password and other secrets, and nothing of one that is not understood.

    A URL that is not understood may be a password that ended up in the wrong place.
    """
    try:
        return parse(url).shown
    except BadUrl:
        return "a URL that is not understood"


def shown_path(path: object) -> str:
    """Return *path* for a message that there is no such file; of a URL with a mistake in it no user and no password."""
    text = str(path)
    return f"***@{text.rpartition('@')[2]}" if ":" in text.rpartition("@")[0] else text


def parse(url: str) -> MongoLocation:
    """Return the place that *url* names; raises `BadUrl` saying what is wrong with it, without repeating it.

    mongodb:// and mongodb+srv:// go to pymongo as they are; hyperopt's mongo://host:port/db/jobs is translated. As in
    hyperopt the password of a user who gives none there is read from ~/.hyperopt.
    """
    if not isinstance(url, str):
        raise BadUrl(f"the URL of a store is text, not {type(url).__name__}", hint=f"example: {EXAMPLE}")
    url = url.strip()
    if url.startswith(("mongo+ssh://", "ssh+mongo://")):
        raise needs_tunnel(url)
    if url.startswith("mongo://"):
        url = _from_hyperopt(url)
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES or not url.startswith(f"{scheme}://"):
        which = f"{scheme}://…" if scheme in FOREIGN_SCHEMES else "the text given as the URL of the store"
        raise BadUrl(f"{which} is not the URL of a MongoDB", hint=f"example: {EXAMPLE}")
    _check_login(rest)
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.partition("?")[0].rpartition("@")
    _check_hosts(hosts)
    path, _, options = path.partition("?")
    database = _database(path)
    given = _options(options)
    if scheme == "mongodb":  # the other kind needs the network to be understood
        _check_with_driver(url)
    shown = f"{scheme}://{f'{HIDDEN}@' if login else ''}{hosts}/{path}{_shown_options(options)}"
    return MongoLocation(uri=url, database=database, shown=shown, hosts=tuple(hosts.split(",")), given=frozenset(given))


def _not_understood(problem: str, hint: str = f"example: {EXAMPLE}") -> BadUrl:
    return BadUrl(f"the URL of the store is not understood: {problem}", hint=hint)


def _check_login(rest: str) -> None:
    """Refuse a user or password that is not escaped: cut in the wrong place, it would end up in a message."""
    login, at, _ = rest.partition("?")[0].rpartition("@")
    if not at and ":" in rest.partition("/")[0] and "@" in rest:  # perhaps the ? is part of it
        login, port = rest.rpartition("@")[0], re.search(r":[0-9]+$", rest.partition("/")[0].partition("?")[0])
        login = "" if port else login
    if re.search(r"[/?#\[\]@\s]|:.*:|%(?![0-9a-fA-F]{2})", login) or not login.isprintable():
        raise _not_understood("the user and the password in it must be escaped", ESCAPE)


def _check_hosts(hosts: str) -> None:
    if not hosts:
        raise BadUrl("the URL of the store names no host", hint=f"example: {EXAMPLE}")
    for host in hosts.split(","):
        port = re.search(r":([0-9]+)$", host)
        if not HOST.fullmatch(host) or (port and not 0 < int(port[1]) < 65536):
            raise _not_understood("a host is written HOST or HOST:PORT, with a port from 1 to 65535")


def _database(path: str) -> str:
    if not path:
        raise BadUrl("the URL of the store names no database", hint="add one: …/my_experiments")
    name = unquote_plus(path)
    is_name = name.isprintable() and not re.search(r'[/\\. "$*<>:|?]', name) and "@" not in path
    if not is_name or len(name.encode()) > 63:
        raise BadUrl(
            "what the URL of the store names cannot be the name of a database", hint="use letters, digits, - and _"
        )
    return name


def _options(options: str) -> list[str]:
    """Return the names in *options*, in lower case; raises `BadUrl` for one that the driver does not know."""
    from pymongo.common import URI_OPTIONS_DEPRECATION_MAP, VALIDATORS

    known = {*VALIDATORS, *URI_OPTIONS_DEPRECATION_MAP}
    names = [option.partition("=")[0].lower() for option in re.split("[&;]", options) if option]
    for name in names:
        if name not in known:
            (close,) = get_close_matches(name, known, n=1, cutoff=0.75) or ("",)
            hint = f"did you mean {close!r}?" if close else f"example: {EXAMPLE}?replicaSet=rs0"
            raise _not_understood("the driver does not know one of its options", hint)
    return names


def _shown_options(options: str) -> str:
    pairs = [option.partition("=")[::2] for option in re.split("[&;]", options) if option]
    shown = "&".join(f"{name}={value if name.lower() in SHOWN_OPTIONS else HIDDEN}" for name, value in pairs)
    return f"?{shown}" if shown else ""


def _secrets(url: str) -> list[str]:
    """Return the parts of *url* that must not be shown, the longest first."""
    login, _, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    pairs = [option.partition("=")[::2] for option in re.split("[&;]", url.partition("?")[2])]
    hidden = [value for name, value in pairs if name.lower() not in SHOWN_OPTIONS]
    hidden += [part for value in hidden for part in re.split("[,:]", value)]
    found = {login, *login.split(":"), *hidden}
    return sorted((found | set(map(unquote_plus, found))) - {""}, key=len, reverse=True)


def without_secrets(text: str, url: str) -> str:
    """Return *text*, which may repeat parts of *url*, without the secrets of that."""
    for secret in _secrets(url):  # a short one might be part of an ordinary word
        pattern = re.escape(secret) if len(secret) > 4 else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(pattern, HIDDEN, text)
    return text


def _in_drivers_words(error: BaseException, url: str) -> str:
    """Return the message of *error* in one line, without the secrets of *url*."""
    text = without_secrets(str(error), url)
    return printable((text.splitlines() or [type(error).__name__])[0])


def _check_with_driver(url: str) -> None:
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parse_uri(url)
    except (PyMongoError, ValueError, OSError, Warning) as error:
        problem = _in_drivers_words(error, url)
    else:
        return
    raise _not_understood(problem)  # not within `except`: a traceback would show the error, and with it the URL


def _from_hyperopt(url: str) -> str:
    """Return the standard form of mongo://[user:password@]host:port/db/collection[?authSource=db]."""
    found = re.fullmatch(r"mongo://([^/?]+)/([^/?]+)/([^/?]+)(\?.*)?", url)
    if found is None:
        raise BadUrl(
            "the URL is not hyperopt's mongo://host:port/db/jobs",
            hint=f"or use the standard form: {EXAMPLE}",
        )
    host, database, collection, options = found.groups()
    if "@" in database + collection:  # part of a password that is not escaped
        raise _not_understood("the user and the password in it must be escaped", ESCAPE)
    return f"mongodb://{with_password(host)}/{database}{options or ''}"


def connect(place: MongoLocation, **options: Any) -> Database[dict[str, Any]]:
    """Return the database at *place*; *options* of the driver go before ours, those of the URL before all.

    Only a mongodb+srv:// URL needs the network here. Raises `BadUrl` for what only the driver understands, and
    `StoreUnreachable` (with `is_transient`) while DNS does not answer.
    """
    import pymongo

    from hstore.store.events import CODEC

    options = {name: value for name, value in (OPTIONS | options).items() if name.lower() not in place.given}
    return _client(place, options).get_database(
        place.database,
        codec_options=CODEC,
        write_concern=pymongo.WriteConcern(w="majority"),
        read_concern=pymongo.read_concern.ReadConcern("majority"),
        read_preference=pymongo.ReadPreference.PRIMARY,
    )


def _client(place: MongoLocation, options: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    import pymongo
    from pymongo.errors import PyMongoError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pymongo.MongoClient(place.uri, **options)
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        problem, is_dns = _in_drivers_words(error, place.uri), _is_dns_away(error)
    if is_dns:
        raise StoreUnreachable(f"DNS does not answer: {problem}", hint="check the network", is_transient=True)
    raise BadUrl(f"{place.shown} is not understood: {problem}")


def _is_dns_away(error: BaseException | None) -> bool:
    """Return whether *error* comes from a DNS that gave no answer; that a name does not exist is an answer."""
    while error is not None:
        kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
        if kinds & {"dns.exception.Timeout", "dns.resolver.NoNameservers", "dns.resolver.NoResolverConfiguration"}:
            return True
        error = error.__cause__ or error.__context__
    return False


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
        raise BadUrl(f"no password was given, and {path} is empty")
    return password


def parse_url(
    url: str, pwfile: str | Path | None = None
) -> tuple[str, str | None, str | None, str, int, str, str, str | None]:
    """Return (protocol, user, password, host, port, database, collection, authentication database) of hyperopt's *url*.

    pwfile: the file with the password of a user for whom *url* has none. Raises `BadUrl` for a URL of another form.
    """
    found = None
    with suppress(ValueError):
        parts = urlsplit(url)
        database, collection = parts.path.strip("/").split("/")
        if parts.scheme in PROTOCOLS and parts.hostname and parts.port is not None and "@" not in parts.path:
            found = parts.hostname, parts.port
    if found is None:
        raise BadUrl("the URL is not hyperopt's mongo://host:port/db/jobs", hint=f"example: {HYPEROPT_EXAMPLE}")
    host, port = found
    password = parts.password
    if parts.username and password is None and pwfile is not None:
        password = read_pw(pwfile)
    options = dict(option.partition("=")[::2] for option in parts.query.split("&") if option)
    return parts.scheme, parts.username, password, host, port, database, collection, options.get("authSource")


def with_password(host: str) -> str:
    """Return *host*, "user@host:port", with the password that hyperopt would read from its file; others as they are."""
    user, at, rest = host.rpartition("@")
    if not at or ":" in user:
        return host
    return f"{user}:{quote_plus(read_pw())}@{rest}"


def needs_tunnel(url: str) -> BadUrl:
    """Return the error for *url*, which hyperopt would have reached by ssh; its hint says how to open a tunnel."""
    remote, local = "PORT HOST", f"mongo://127.0.0.1:{TUNNEL_PORT}/db/jobs"
    with suppress(BadUrl):
        _, user, _, host, port, database, collection, _ = parse_url(url)
        if re.fullmatch(r"[\w.-]+/[\w-]+/[\w-]+", f"{host}/{database}/{collection}"):
            login = "" if user is None else "USER@"
            remote, local = f"{port} {host}", f"mongo://{login}127.0.0.1:{TUNNEL_PORT}/{database}/{collection}"
    return BadUrl(
        "hstore opens no ssh tunnels",
        hint=f"open a tunnel, `ssh -NTf -L {TUNNEL_PORT}:127.0.0.1:{remote}`, and use {local}",
    )
