"""The rows of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from .columns import Column
from .fleet import Fleet, Part
from .gossip_cell import gossip, gossip_parts
from .kad_cells import kad_find_peer, kad_parts, kad_providers, kad_values
from .pair_cells import bulk, dial_and_identify, pair, ping
from .rejection_cells import (
    bad_signature,
    bad_signature_parts,
    truncated_handshake,
    truncated_handshake_parts,
    wrong_peer_id,
    wrong_peer_id_parts,
)


@dataclass(frozen=True)
class Row:
    title: str
    #: Seconds after which a cell counts as hung.
    limit: int
    #: The processes that it needs, started before the clock runs.
    parts: Callable[[Column], list[Part]]
    #: Raises when the cell fails; returns a few words on what was seen.
    check: Callable[[Fleet, Column], str]


ROWS = [
    Row("dial and identify", 30, pair, dial_and_identify),
    Row("ping", 30, pair, ping),
    Row("100 MiB through one stream", 90, pair, bulk),
    Row("wrong peer id refused", 40, wrong_peer_id_parts, wrong_peer_id),
    Row("truncated handshake refused", 60, truncated_handshake_parts, truncated_handshake),
    Row("bad signature refused", 40, bad_signature_parts, bad_signature),
    Row("kad: put and get a value", 40, kad_parts, kad_values),
    Row("kad: provide, find providers", 40, kad_parts, kad_providers),
    Row("kad: find a peer", 40, kad_parts, kad_find_peer),
    Row("gossipsub: signed, mixed mesh", 60, gossip_parts, gossip),
]
