"""What a URL gets wrong about the servers that it names is said, instead of that no server answers."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from replica_set import die_with_parent, free_ports
from tests.waiting import GENEROUS

import hstore
from hstore.store.diagnosis import misconfiguration
from hstore.store.errors import NoMongod, StoreUnreachable
from hstore.store.server import find_mongod


def client(kind: str, servers: dict[tuple[str, int], str]) -> Any:
    """Return a client that has seen *servers*, each of a type, in a topology of type *kind*."""
    described = {
        address: SimpleNamespace(address=address, server_type_name=server, replica_set_name="rs0")
        for address, server in servers.items()
    }
    topology = SimpleNamespace(topology_type_name=kind, server_descriptions=lambda: described)
    return SimpleNamespace(topology_description=topology)


def test_a_secondary_that_is_connected_to_directly_is_named() -> None:
    found = misconfiguration(client("Single", {("h", 27017): "RSSecondary"}), ["h"])
    assert found is not None
    assert found.startswith("h:27017 is a secondary of replica set 'rs0' and takes no writes; remove directConnection")


@pytest.mark.parametrize("host", ["alone", "alone:27017", "[::1]", "[::1]:27018"])
def test_a_standalone_that_is_listed_with_a_host_that_is_down_is_named(host: str) -> None:
    found = misconfiguration(client("Unknown", {("down", 1): "Unknown"}), [host, "down:1"])
    assert found is not None
    assert found.startswith(f"{host} is a standalone server, which cannot be listed with other hosts")


@pytest.mark.parametrize(
    ("kind", "servers", "hosts"),
    [
        ("Single", {("h", 27017): "Unknown"}, ["h"]),
        ("Single", {("h", 27017): "RSPrimary"}, ["h"]),
        ("Unknown", {("a", 27017): "Unknown", ("::1", 27017): "Unknown"}, ["A", "[::1]"]),
        ("ReplicaSetNoPrimary", {("b", 27017): "RSSecondary"}, ["a", "b"]),
    ],
)
def test_servers_that_are_only_away_are_no_misconfiguration(
    kind: str, servers: dict[tuple[str, int], str], hosts: list[str]
) -> None:
    assert misconfiguration(client(kind, servers), hosts) is None


@pytest.mark.long
def test_a_real_standalone_beside_a_dead_host_is_named(tmp_path: Path) -> None:
    try:
        program = str(find_mongod())
    except NoMongod:
        pytest.skip("there is no mongod")
    port, dead = free_ports(2)
    mongod = subprocess.Popen(
        [program, "--dbpath", str(tmp_path), "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"],
        stdout=subprocess.DEVNULL, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        alone = f"127.0.0.1:{port}"
        hstore.open(f"mongodb://{alone}/lab", patience=GENEROUS).close()
        with pytest.raises(StoreUnreachable, match=f"{alone} is a standalone server"):
            hstore.open(f"mongodb://{alone},127.0.0.1:{dead}/lab", patience=3.0)
    finally:
        mongod.kill()
        mongod.wait()
