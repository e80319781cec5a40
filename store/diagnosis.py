"""Causes of a missing answer that the driver's errors do not tell: a URL that does not fit the servers it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient

DEFAULT_PORT = 27017


def misconfiguration(client: MongoClient[Any], hosts: Sequence[str]) -> str | None:
    """Return why *client*, whose URL names *hosts*, can find no primary although a server answers; None if unknown.

    Looks only at what the client has seen so far.
    """
    topology = client.topology_description
    servers = topology.server_descriptions()
    if topology.topology_type_name == "Single":
        (server,) = servers.values()
        if server.server_type_name == "RSSecondary":
            host, port = server.address
            return (
                f"{host}:{port} is a secondary of replica set {server.replica_set_name!r} and takes no writes; "
                "remove directConnection from the URL, or name the primary"
            )
        return None
    # The driver removes a standalone server from a list of several, and waits for the others.
    removed = [host for host in hosts if _address(host) not in servers]
    if len(hosts) > 1 and removed and topology.topology_type_name == "Unknown":
        return (
            f"{removed[0]} is a standalone server, which cannot be listed with other hosts; "
            "make the URL name this host alone, or make the servers a replica set"
        )
    return None


def _address(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host, str(DEFAULT_PORT)
    return name.strip("[]").lower(), int(port)
