"""What is measured, in the order in which it is."""

from __future__ import annotations

from typing import Callable

from .chain import accounts, chain
from .dials import dials
from .evm import evm
from .gossip import gossip
from .lag import lag
from .memory import memory
from .micro import micro
from .network import network
from .report import Report
from .stateless import disk, stateless, witness
from .storage import storage
from .system import Stage
from .throughput import throughput
from .votes import votes

MEASUREMENTS: dict[str, Callable[[Stage, Report], None]] = {
    "throughput": throughput,
    "dials": dials,
    "gossip": gossip,
    "network": network,
    "memory": memory,
    "lag": lag,
    "micro": micro,
    "votes": votes,
    "evm": evm,
    "stateless": stateless,
    "disk": disk,
    "witness": witness,
    "storage": storage,
    "chain": chain,
    "accounts": accounts,
}
