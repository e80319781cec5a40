"""Opening a store: from a URL, the environment or the embedded server to a `Store` whose schema is current."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hstore.store.errors import SchemaMismatch
from hstore.store.keys import VARIABLE, read_keys
from hstore.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from hstore.store.keys import Keys
    from hstore.store.mongo import MongoLog
    from hstore.store.server import EmbeddedServer
    from hstore.store.url import MongoLocation


def open_store(
    url: str | None = None,
    *,
    patience: float = 10.0,
    check_schema: bool = True,
) -> Store:
    """Return the store that *url* names: any MongoDB URI with a database, or hyperopt's mongo://host:port/db.

    Without *url* it is `$HSTORE_URL`, and without that the embedded server of this machine, started if it does not
    run. A new database gets its collections. Without `$HSTORE_KEY` the embedded server's own key signs.

    patience: seconds that a server may take to answer, now and later. check_schema: False opens a store of another
    version as well.
    Raises `BadUrl`, `NoMongod`, `StoreUnreachable`, `SchemaMismatch`, and `InvalidValue` for a `$HSTORE_KEY`
    that is no key.
    """
    from hstore.store.claims import Claims
    from hstore.store.diagnosis import misconfiguration
    from hstore.store.gridfs_attachments import GridFSAttachments
    from hstore.store.mongo import MongoLog
    from hstore.store.place_index import ensure_place_index
    from hstore.store.read_models import ReadModels
    from hstore.store.retry import RetryPolicy
    from hstore.store.snapshots import COLLECTION, MongoSnapshots
    from hstore.store.tombstones import MongoRemovals
    from hstore.store.url import connect, parse

    keys = read_keys(os.environ.get(VARIABLE))
    server: EmbeddedServer | None = None
    url = url or os.environ.get("HSTORE_URL")
    if not url:
        from hstore.store.server import ensure_server

        server = ensure_server()
        url = server.uri
    place = parse(url)
    where = place.shown if server is None else f"the embedded MongoDB in {server.home}"
    retry = RetryPolicy(where, seconds=patience, restart=server.ensure if server is not None else None)
    # An embedded server that does not answer at once has died: it is started again, not waited for.
    database = retry(lambda: connect(place, **({} if server is None else {"serverSelectionTimeoutMS": 300})))
    retry.explain = lambda: misconfiguration(database.client, place.hosts)
    attachments = GridFSAttachments(database, retry)
    log = MongoLog(database["events"], fetch=attachments.get, put=attachments.put, retry=retry)
    models = ReadModels(database, retry)
    claims = Claims(database, retry)
    snapshots = MongoSnapshots(database, GridFSAttachments(database, retry, bucket=COLLECTION), retry)
    store = Store(
        log, attachments, models=models, claims=claims, database=database, url=place.shown, uri=url, server=server,
        keys=keys, snapshots=snapshots, removals=MongoRemovals(database, retry),
    )  # fmt: skip
    try:
        if retry(lambda: _check_schema(database, where, check_schema)):
            log.refusal = retry(lambda: ensure_place_index(database, where))
        store.identity = log.identity()
        if keys is None:
            store.keys = _keys_of_home(server.home if server else None, place, log)
    except BaseException:
        store.close()
        raise
    return store


def _keys_of_home(home: Path | None, place: MongoLocation, log: MongoLog) -> Keys | None:
    """Return the key of the embedded server in *home*, or behind *place*; None for any other server."""
    from hstore.store.home_key import home_behind, home_keys

    home = home or home_behind(place.hosts, place.database)
    return None if home is None else home_keys(home, log.beginnings)


def _check_schema(database: Database[dict[str, Any]], shown: str, is_strict: bool) -> bool:
    """Return whether the store was current; make it so if it is new."""
    from importlib.metadata import version

    from hstore import migrations

    status = migrations.status(database)
    if status == "fresh":
        migrations.apply(database, by_version=version("hstore"))
    elif status == "older" and is_strict:
        raise SchemaMismatch(f"the schema of {shown} is older than this hstore", hint="run `hstore migrate`")
    elif status == "newer" and is_strict:
        raise SchemaMismatch(
            f"the schema of {shown} is newer than this hstore {version('hstore')}",
            hint="update hstore: pip install -U hstore",
        )
    return status == "current"
