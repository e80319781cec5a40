"""The folder of the embedded server, whose path, owner and rights may be any, and the mongod that it runs."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from embedded_servers import USER, documents, empty_home, processes, using
from tests.waiting import until

from hstore.store.errors import StoreUnreachable
from hstore.store.server import EmbeddedServer, ensure_server

home = pytest.fixture(empty_home)


@pytest.mark.long
def test_a_home_that_was_moved_still_works(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        collection.insert_one({"_id": "kept"})
    until(lambda: not processes(home))
    moved = home.rename(home.with_name("moved"))
    with using(moved) as server, documents(server) as collection:
        assert collection.find_one_and_delete({}) == {"_id": "kept"}
    until(lambda: not processes(moved))


def test_no_other_user_can_reach_it(home: Path) -> None:
    with using(home) as server:
        assert stat.S_IMODE(server.run.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.log_path.stat().st_mode) == 0o600
        mongod = psutil.Process(server.pid)
        assert mongod.net_connections(kind="inet") == []
        paths = {str(line.laddr) for line in mongod.net_connections(kind="unix") if line.laddr}
        assert paths == {"./run/mongod.sock"}


def test_a_folder_that_others_could_enter_is_closed_to_them(home: Path) -> None:
    (home / "run").mkdir(parents=True, mode=0o777)
    with using(home) as server:
        assert stat.S_IMODE(server.run.stat().st_mode) == 0o700


def test_a_link_in_place_of_the_folder_of_the_socket_is_refused(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "run").symlink_to(tmp_path)
    with pytest.raises(StoreUnreachable, match="belongs to another user"):
        ensure_server(home)


def test_a_path_too_long_for_a_socket_is_reached_through_a_short_link(home: Path) -> None:
    deep = home / ("deep" * 20) / ("down" * 20)
    with using(deep) as server, documents(server) as collection:
        assert len(os.fsencode(server.socket_path)) <= 107
        assert stat.S_IMODE(server.socket_path.parent.parent.stat().st_mode) == 0o700
        assert collection.insert_one({}).acknowledged
        server.socket_path.parent.unlink()  # as a program that cleans the folder of temporary files might
        server.ensure()
        assert collection.insert_one({}).acknowledged
    until(lambda: not processes(deep))
    server.socket_path.parent.unlink()


@pytest.mark.parametrize("runtime", ["/run/user/4242", "/proc", "{long}"])
def test_a_folder_for_the_short_link_that_cannot_be_used_is_passed_over(
    runtime: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = home / ("deep" * 20) / ("down" * 20)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime.format(long=long))
    monkeypatch.setenv("TMPDIR", str(long))
    path = EmbeddedServer(long).socket_path
    assert path.is_relative_to("/tmp")
    path.parent.unlink()


def test_if_no_short_folder_can_be_used_each_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = home / ("deep" * 20) / ("down" * 20)
    folders = [("XDG_RUNTIME_DIR", "/run/user/4242"), ("TMPDIR", str(long))]
    monkeypatch.setattr("hstore.store.server_home._short_folders", lambda: folders)
    with pytest.raises(StoreUnreachable, match="too long for a socket") as caught:
        ensure_server(long)
    assert "XDG_RUNTIME_DIR (/run/user/4242): No such file" in str(caught.value)
    assert f"TMPDIR ({long}) is too long" in str(caught.value)


def test_a_home_that_others_can_write_to_is_refused(home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)
    with pytest.raises(StoreUnreachable, match=f"other users can write to {home}"):
        ensure_server(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("name", ["", "data", "run"])
def test_a_home_that_another_user_owns_is_refused(home: Path, name: str) -> None:
    (home / name).mkdir(parents=True)
    os.chown(home / name, 65534, 65534)
    with pytest.raises(StoreUnreachable, match="belongs to another user"):
        ensure_server(home)


@pytest.mark.parametrize("name", ["mongod.log", "run/users.lock", "run/supervisor.lock", "run/start.lock"])
def test_no_link_in_the_home_is_followed(home: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_text("secret")
    (home / "run").mkdir(parents=True)
    (home / name).symlink_to(target)
    with pytest.raises(StoreUnreachable, match="is a symbolic link"):
        ensure_server(home)
    assert target.read_text() == "secret"


def test_all_files_are_for_the_user_alone_whatever_the_umask(home: Path) -> None:
    code = "import os; os.umask(0);" + USER.replace("print", "server.keep()\nprint", 1)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        files = [home, *home.rglob("*")]
        open_to_others = [file for file in files if not file.is_symlink() and file.lstat().st_mode & 0o077]
        sockets = [file for file in open_to_others if stat.S_ISSOCK(file.lstat().st_mode)]
        assert [file for file in open_to_others if file not in sockets] == []
        process.kill()
    EmbeddedServer(home).stop()


def test_a_home_with_strange_characters_works(home: Path) -> None:
    strange = home / "a, b%c:ü"
    with using(strange) as server, documents(server) as collection:
        assert collection.insert_one({}).acknowledged
    until(lambda: not processes(strange))


def test_a_home_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreachable, match="cannot use") as caught:
        ensure_server(tmp_path / "file" / "home")
    assert "HSTORE_HOME" in caught.value.hint
