"""Connections from hyperopt's URLs, as its mongoexp makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from hstore.store.url import as_mongo_str, connect, needs_tunnel, parse, parse_url, read_pw

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database


def connection_from_string(s: str) -> tuple[Any, None, Database[dict[str, Any]], Collection[dict[str, Any]]]:
    """Return (client, None, database, collection) of hyperopt's URL *s*: the second was for a tunnel by ssh."""
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
