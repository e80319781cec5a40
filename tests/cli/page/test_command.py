"""`hstore ui`: what it refuses to start, and what it prints."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")

from tests.cli.commands import run

from hstore.cli.page.access import hosts_of, read_token
from hstore.store.errors import InvalidValue


def test_another_address_than_this_machines_needs_a_token_of_ones_own(mongo_url: str) -> None:
    result = run(mongo_url, "ui", "--host", "0.0.0.0", "--no-browser")
    assert (result.exit_code, "--token-file" in result.output) == (2, True)


def test_a_token_that_others_can_read_or_guess_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a" * 40)
    file.chmod(0o644)
    with pytest.raises(InvalidValue, match="others can read"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == "a" * 40
    for weak in ("", "short", "with spaces in it, and long", "ü" * 30):
        file.write_text(weak)
        with pytest.raises(InvalidValue, match="at least 20"):
            read_token(file)


def test_the_hosts_that_are_answered_have_the_port() -> None:
    assert hosts_of("127.0.0.1", 8722) == {"127.0.0.1:8722", "localhost:8722", "[::1]:8722"}
    assert hosts_of("192.0.2.1", 80, ("Lab.example",)) == {"192.0.2.1:80", "192.0.2.1", "lab.example"}
    assert "0.0.0.0:1" not in hosts_of("0.0.0.0", 1)


def test_it_prints_an_address_that_opens_and_ends_with_ctrl_c(mongo_url: str) -> None:
    command = [sys.executable, "-m", "hstore", "--store", mongo_url, "ui", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        request = urllib.request.Request(address.partition("?")[0] + "api/overview")
        request.add_header("Authorization", f"Bearer {address.partition('=')[2]}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read() == b'{"searches":[]}'
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert "Traceback" not in process.stderr.read()
