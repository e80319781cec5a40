"""The proxy passes on, holds back, resets, and heals."""

import socket
import threading
from collections.abc import Iterator

import pytest
from faults.proxy import Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that sends back what it is sent."""
    listening = socket.create_server(("127.0.0.1", 0))

    def echo(line: socket.socket) -> None:
        with line:
            try:
                while data := line.recv(100):
                    line.sendall(data)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(line,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with Proxy(listening.getsockname()[1]) as proxy:
        yield proxy
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def connect(proxy: Proxy, *, timeout: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)


def is_dead(line: socket.socket) -> bool:
    try:
        return line.recv(100) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_what_is_sent_arrives_and_so_does_the_answer(proxy: Proxy) -> None:
    with connect(proxy) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"


def test_cut_it_resets_old_connections_and_refuses_new_ones_until_it_is_healed(proxy: Proxy) -> None:
    with connect(proxy) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"
        proxy.cut()
        assert is_dead(line)
    with connect(proxy) as line:
        assert is_dead(line)
    proxy.heal()
    with connect(proxy) as line:
        line.sendall(b"again")
        assert line.recv(100) == b"again"


@pytest.mark.parametrize("direction", ["requests", "answers"])
def test_stalled_it_holds_back_what_is_sent_until_it_is_healed(proxy: Proxy, direction: str) -> None:
    with connect(proxy) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"
        proxy.stall(direction)  # type: ignore[arg-type]
        line.settimeout(0.1)
        line.sendall(b"late")
        assert not is_dead(line)
        with pytest.raises(TimeoutError):
            line.recv(100)
        line.settimeout(10)
        proxy.heal()
        assert line.recv(100) == b"late"
