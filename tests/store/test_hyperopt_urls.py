"""hyperopt's URLs are taken apart as hyperopt does, passwords in its file are found, tunnels explained."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from hstore.engine.hyperopt.mongo_url import connection_from_string, connection_with_tunnel
from hstore.store.errors import BadUrl
from hstore.store.url import as_mongo_str, parse, parse_url, read_pw

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import mongoexp


pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # hyperopt does not close its password file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with hyperopt's password file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".hyperopt").write_text("s3cret/@\n")
    return tmp_path


@pytest.mark.covers("mongoexp.parse_url")
@pytest.mark.parametrize(
    "url",
    [
        "mongo://h:1/db/jobs", "mongo://me@h:1/db/jobs", "mongo://me:pw@h:1/db/jobs", "mongo+ssh://me:pw@h:1/db/jobs",
        "mongo://me:pw@h:1/db/jobs?authSource=admin", "ssh+mongo://h:1/db/mine",
    ],
)  # fmt: skip
def test_a_url_has_the_parts_that_hyperopt_finds(url: str, home: Path) -> None:
    assert parse_url(url) == mongoexp.parse_url(url)
    file = str(home / ".hyperopt")
    assert parse_url(url, pwfile=file) == mongoexp.parse_url(url, pwfile=file)


@pytest.mark.covers("mongoexp.parse_url")
@pytest.mark.parametrize(
    "url", ["mongo://h/db/jobs", "mongo://h:1/db", "http://h:1/db/jobs", "mongo://me:pw@h:x/d/j", ""]
)
def test_what_is_none_of_its_urls_is_said_in_one_line(url: str) -> None:
    with pytest.raises(BadUrl, match="is not hyperopt's mongo://host:port/db/jobs") as caught:
        parse_url(url)
    assert "pw" not in str(caught.value)


@pytest.mark.covers("mongoexp.as_mongo_str")
def test_a_host_becomes_a_url_and_a_url_stays_one() -> None:
    for given in ("h:1/db", "mongo://h:1/db", "localhost/hyperopt"):
        assert as_mongo_str(given) == mongoexp.as_mongo_str(given)
    assert as_mongo_str("mongodb://h/db") == "mongodb://h/db"


@pytest.mark.covers("mongoexp.read_pw")
def test_the_password_is_what_hyperopt_reads_with_an_end_of_line_or_without(home: Path) -> None:
    assert read_pw() == mongoexp.read_pw() == "s3cret/@"
    (home / ".hyperopt").write_text("whole")
    assert read_pw() == "whole"


def test_the_password_of_a_user_who_gives_none_is_read_from_the_file(home: Path) -> None:
    place = parse("mongo://me@h:1/db/jobs?authSource=admin")
    assert place.uri == "mongodb://me:s3cret%2F%40@h:1/db?authSource=admin"
    assert "s3cret" not in place.shown
    assert parse("mongo://me:mine@h:1/db/jobs").uri == "mongodb://me:mine@h:1/db"
    (home / ".hyperopt").write_text("\n")
    with pytest.raises(BadUrl, match="is empty"):
        parse("mongo://me@h:1/db/jobs")
    (home / ".hyperopt").unlink()
    with pytest.raises(BadUrl, match=r"no password was given, and .*\.hyperopt cannot be read") as caught:
        parse("mongo://me@h:1/db/jobs")
    assert "mongo://user:password@" in caught.value.hint


@pytest.mark.covers("mongoexp.connection_with_tunnel")
@pytest.mark.parametrize("url", ["mongo+ssh://me@far:1/db/jobs", "ssh+mongo://me@far:1/db/jobs"])
def test_a_url_by_ssh_says_how_to_open_the_tunnel(url: str) -> None:
    with pytest.raises(BadUrl, match="opens no ssh tunnels") as caught:
        parse(url)
    assert "ssh -NTf -L 27500:127.0.0.1:1 far" in caught.value.hint
    assert "mongo://USER@127.0.0.1:27500/db/jobs" in caught.value.hint
    with pytest.raises(BadUrl, match="opens no ssh tunnels"):
        connection_with_tunnel("db", host="far", ssh=True)


@pytest.mark.covers("mongoexp.connection_from_string", "mongoexp.connection_with_tunnel")
def test_connections_are_those_of_the_driver() -> None:
    client, tunnel, database, jobs = connection_from_string("mongo://me:pw@localhost:1/db/mine")
    assert (tunnel, database.name, jobs.name, database.client is client) == (
        None, "db", "mine", True,
    )  # fmt: skip
    client.close()
    arguments: dict[str, Any]
    for arguments in ({"user": "me", "pw": "p/w"}, {"user": "me", "auth_dbname": "admin"}, {"user": None}):
        client, tunnel = connection_with_tunnel("db", port=1, **arguments)
        assert tunnel is None
        client.close()
