"""The embedded server's own key: made at first use, for its user alone; what was there before stays as it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from rewound_logs import begun, ended, queued

from hstore.cli.app import app
from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import InvalidValue, NotSigned
from hstore.store.experiment import Experiment
from hstore.store.home_key import home_behind, home_keys, note_signed
from hstore.store.keys import Keys, new_key, parse_key
from hstore.store.memory import MemoryLog
from hstore.store.open_store import open_store
from hstore.store.server import EmbeddedServer
from hstore.store.server_home import ServerHome
from hstore.store.signatures import look_at
from hstore.store.store import Store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which no server runs."""
    home = tmp_path / "home"
    ServerHome(home).prepare()
    return home


def test_the_key_is_made_once_for_its_user_alone_whatever_the_umask(home: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: home_keys(home, list), range(8)))
    ids = {keys.ids[0] for keys in made if keys is not None}
    assert len(ids) == 1
    assert {(home / name).stat().st_mode & 0o777 for name in ("key", "unsigned.json")} == {0o600}


def test_a_key_that_others_can_read_is_refused_and_so_is_a_link(home: Path, tmp_path: Path) -> None:
    home_keys(home, list)
    (home / "key").chmod(0o644)
    with pytest.raises(InvalidValue, match="other users can read the key") as caught:
        home_keys(home, list)
    assert "chmod 600" in caught.value.hint
    (home / "key").rename(tmp_path / "elsewhere")
    (home / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="is a symbolic link"):
        home_keys(home, list)


def test_what_was_there_before_the_key_is_listed_until_it_is_signed(home: Path) -> None:
    before = [uuid.uuid4(), uuid.uuid4()]
    keys = home_keys(home, lambda: before)
    assert keys is not None
    assert keys.unsigned == set(before)
    note_signed(keys, before[0])
    later = home_keys(home, lambda: pytest.fail("the key is there"))
    assert later is not None
    assert later.unsigned == {before[1]}
    (home / "unsigned.json").write_text("[1]")
    with pytest.raises(InvalidValue, match="damaged"):
        home_keys(home, list)


@contextmanager
def in_memory(keys: Keys | None, log: MemoryLog) -> Iterator[Store]:
    yield Store(log, MemoryAttachments(), keys=keys)


def test_an_experiment_of_before_the_key_goes_on_unsigned_until_a_person_signs_it() -> None:
    log, key = MemoryLog(), parse_key(new_key())
    with in_memory(None, log) as store:
        old = begun(store)
    keys = Keys(key, where="/home/key", unsigned=[old.events[0].id])
    with in_memory(keys, log) as store:
        mine = store.experiment("e")
        mine.append(mine.compose(ended(3), queued(4)))
        assert {event.mac for event in mine.events} == {None}
        with in_memory(Keys(key, unsigned=[old.events[0].id]), log) as beside:  # a search that runs in another process
            other = beside.experiment("e")
            store.experiment("e").sign()
            other.refresh()
            other.append(other.compose(queued(5)))
            assert other.chain(5)[0].mac is not None
        mine.refresh()
        mine.append(mine.compose(queued(6)))
        assert mine.chain(6)[0].mac is not None
    with in_memory(None, log) as stranger:
        theirs = Experiment(stranger, "e")
        theirs.refresh()
        theirs.append(theirs.compose(queued(7)))
    mine.refresh()
    with pytest.raises(NotSigned, match="trial 7 is not signed"):
        mine.compose(queued(8))


def test_searches_on_one_machine_are_signed_without_a_word_whatever_url_names_the_server(
    mongod: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HSTORE_KEY", raising=False)
    name = f"signed-{uuid.uuid4().hex}"
    with open_store(mongod.uri) as store:
        experiment = Experiment(store, name)
        empty = ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
        experiment.begin({name: {} for name in empty})
        assert store.keys is not None
        assert store.keys.where == str(mongod.home / "key")
        found = look_at(store.log.documents(name), store.keys)
        assert dict(found.by_key) == {store.keys.ids[0].hex(): 1}
    said = CliRunner().invoke(app, ["--store", mongod.uri, "verify", name]).output
    assert f"signed with key {store.keys.ids[0].hex()} (of {mongod.home / 'key'}): 1 event" in said
    own = new_key()
    monkeypatch.setenv("HSTORE_KEY", own)
    with open_store(mongod.uri) as store:
        assert store.keys is not None
        assert store.keys.ids == Keys(parse_key(own)).ids
        with pytest.raises(NotSigned, match="HSTORE_KEY does not hold"):
            store.experiment(name).check_signatures()


def test_only_the_database_of_an_embedded_server_has_its_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = str(home / "run" / "mongod.sock").replace("/", "%2F")
    assert home_behind([socket], "hstore") == home
    assert home_behind([socket], "other") is None
    assert home_behind(["%2Ftmp%2Fmongodb-27017.sock"], "hstore") is None
    monkeypatch.setenv("HSTORE_HOME", str(home))
    assert home_behind(["127.0.0.1:4242"], "hstore") is None
    (home / "run" / "port.json").write_text(json.dumps({"port": 4242, "password": "x"}))
    assert home_behind(["127.0.0.1:4242"], "hstore") == home
    assert home_behind(["127.0.0.1:4242", "other:1"], "hstore") is None
