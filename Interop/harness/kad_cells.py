"""Kademlia: what one client stores at a server of the other kind, another client finds there."""

from __future__ import annotations

from . import wire
from .columns import Column
from .fleet import Fleet, Part
from .peer import NotAvailable, Peer, require, until
from .py_peer import VALUES

def kad_parts(column: Column) -> list[Part]:
    """A server, a server that it knows, and two clients that know only the former.

    Clients are in nobody's table, so what the second client finds can only come from the server.
    """
    return [
        Part(column.listener, "server", "server"),
        Part(column.listener, "target", "server"),
        Part(column.dialer, f"writer-of-{column.listener}", "client"),
        Part(column.dialer, f"reader-of-{column.listener}", "client"),
    ]


def _kad_clients(fleet: Fleet, column: Column) -> tuple[Peer, Peer, Peer, Peer]:
    server, target, writer, reader = (fleet[part] for part in kad_parts(column))
    if server.id not in target.connected():
        target.connect(server.address)
        target.learn(server.id)
        server.learn(target.id)
    for client in (writer, reader):
        if server.id not in client.connected():
            client.connect(server.address)
            client.learn(server.id)
    return server, target, writer, reader


def kad_values(fleet: Fleet, column: Column) -> str:
    if "py" in (column.dialer, column.listener):
        raise NotAvailable(VALUES)
    server, _, writer, reader = _kad_clients(fleet, column)
    owner = wire.Identity(f"/pk/ {column.title}".encode())
    key = b"/pk/" + owner.multihash
    writer.put(key, owner.public_key)
    found = reader.get(key)
    require(found == owner.public_key, f"{reader} got {found!r} back through {server}")
    require(server.alive() and writer.alive(), "a peer left")
    return "put by one client, got by another"


def kad_providers(fleet: Fleet, column: Column) -> str:
    _, _, writer, reader = _kad_clients(fleet, column)
    content = wire.sha256_multihash(f"content {column.title}".encode())
    writer.provide(content)
    until(
        f"{reader}: {writer} among the providers",
        lambda: writer.id in reader.find_providers(content),
    )
    others = reader.find_providers(content) - {writer.id}
    require(not others, f"{reader} also found {others}")
    return "provided by one client, found by another"


def kad_find_peer(fleet: Fleet, column: Column) -> str:
    _, target, _, reader = _kad_clients(fleet, column)
    wanted = wire.transport_of(target.address)

    def finds() -> bool:
        found = reader.find_peer(target.id)
        return any(wire.transport_of(address) == wanted for address in found)

    until(f"{reader}: the address of {target}", finds)
    return "the address of a peer that only the server knew"


