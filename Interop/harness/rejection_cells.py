"""What must be refused, by the side that must refuse it, while others are served on."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import Iterator

from . import wire
from .chorale_peer import ChoralePeer, Closed, RefusedByChorale
from .columns import Column
from .fleet import Fleet, Part
from .pair_cells import linked, pair
from .peer import Peer, PeerFailure, require, until
from .raw import CuttingProxy, Lie, RawListener, dial_raw

LIES = [lie for lie in Lie if lie is not Lie.NONE]

#: Where a handshake is cut, in bytes towards Chorale, and what Chorale was then waiting for.
#: The security negotiation takes 28 bytes (multistream's header and /noise), the first Noise
#: message 34, the second at least 200, the third at least 170.
_CUTS_OF_DIALER = [
    (10, "security_negotiation"),
    (24, "security_negotiation"),
    (45, "noise_handshake"),
    (130, "noise_handshake"),
]
_CUTS_OF_LISTENER = [
    (10, "security_negotiation"),
    (24, "security_negotiation"),
    (29, "noise_handshake"),
    (120, "noise_handshake"),
]


def wrong_peer_id_parts(column: Column) -> list[Part]:
    return [*pair(column), column.stranger("mistaken")]


def truncated_handshake_parts(column: Column) -> list[Part]:
    return [*pair(column), column.stranger("cut-off")]


def bad_signature_parts(column: Column) -> list[Part]:
    return [*pair(column), column.stranger("witness")]


@contextmanager
def served_on(fleet: Fleet, parts: list[Part], column: Column) -> Iterator[tuple[Peer, Peer]]:
    """A stranger and the listener, around which the column's pair stays served.

    The pair pings on one connection before and after, and afterwards the stranger, who was in the
    bad attempts, connects properly.
    """
    dialer, listener = linked(fleet, column)
    stranger = fleet[parts[-1]]
    dialer.ping(listener.id, 1)
    yield stranger, listener
    require(
        listener.id in dialer.connected(), f"{dialer} lost its connection to {listener} meanwhile"
    )
    dialer.ping(listener.id, 3)

    def connects() -> bool:
        stranger.connect(listener.address)
        return stranger.id in listener.connected()

    # Back-off after a failed dial is right; go's lasts five seconds.
    until(f"{stranger}: a proper connection to {listener}", connects, timeout=12, pause=0.3)
    stranger.ping(listener.id, 1)


class Watch:
    """What Chorale counts and tells from now on."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        if isinstance(peer, ChoralePeer):
            self._event = len(peer.events())
            self._counters = peer.counters()

    def expect_closed(self, wanted: list[Closed]) -> None:
        """Waits for these ends, in any order, and for counters that agree with them."""
        peer = self.peer
        if not isinstance(peer, ChoralePeer) or not wanted:
            return

        def matches() -> bool:
            missing = list(wanted)
            for closed in peer.closed(self._event):
                for want in missing:
                    if closed.reason == want.reason and closed.detail.startswith(want.detail):
                        missing.remove(want)
                        break
            told = [f"{closed.reason} ({closed.detail})" for closed in peer.closed(self._event)]
            require(not missing, f"{peer} told {', '.join(told) or 'nothing'}; missing: {missing}")
            return True

        until(f"{peer}: the right reasons", matches, timeout=6)
        now = peer.counters()
        for reason in sorted({want.reason for want in wanted}):
            name = f"swarm_closed_{reason}"
            rise = now[name] - self._counters[name]
            least = sum(1 for want in wanted if want.reason == reason)
            require(rise >= least, f"{peer} counted {name} {rise} times, not {least}")


def wrong_peer_id(fleet: Fleet, column: Column) -> str:
    nobody = wire.Identity(f"nobody {column.title}".encode())
    with served_on(fleet, wrong_peer_id_parts(column), column) as (stranger, listener):
        watch = Watch(stranger)
        wrong = f"{wire.transport_of(listener.address)}/p2p/{nobody.id}"
        try:
            stranger.connect(wrong)
        except PeerFailure as failure:
            said = str(failure)
        else:
            raise PeerFailure(f"{stranger} took {listener} for {nobody.id}")
        require(
            nobody.id not in stranger.connected() and listener.id not in stranger.connected(),
            f"{stranger} kept the connection",
        )
        if isinstance(stranger, ChoralePeer):
            stranger.disconnect(nobody.id)
            watch.expect_closed([Closed("wrong_peer_id", "noise_")])
            return f"{stranger.kind} said wrong_peer_id"
        word = {"go": "peer id mismatch", "py": "failed to upgrade security"}[stranger.kind]
        require(word in said.lower(), f"{stranger} failed for another reason: {said}")
    return f"{stranger.kind} said '{word}'"


def truncated_handshake(fleet: Fleet, column: Column) -> str:
    cuts_listener = column.dialer == "chorale"
    cuts = _CUTS_OF_LISTENER if cuts_listener else _CUTS_OF_DIALER
    with served_on(fleet, truncated_handshake_parts(column), column) as (stranger, listener):
        victim = stranger if cuts_listener else listener
        watch = Watch(victim)
        for limit, _ in cuts:
            proxy = CuttingProxy(listener.address, limit=limit, of_listener=cuts_listener)
            with closing(proxy):
                try:
                    stranger.connect(proxy.address, timeout=3)
                    refused = False
                except PeerFailure:
                    refused = True
                require(proxy.cut.is_set(), f"nothing was left to cut after {limit} bytes")
                # A dialer cannot know that its last message was lost, but its victim does.
                require(refused or not cuts_listener, f"{stranger} connected over a cut handshake")
            until(
                f"no connection after a cut at {limit}",
                lambda: stranger.id not in listener.connected(),
                timeout=4,
            )
            stranger.disconnect(listener.id)
        watch.expect_closed(
            [Closed("remote_closed", f"end_of_input_{phase}") for _, phase in cuts]
        )
    return f"cut after {', '.join(str(limit) for limit, _ in cuts)} bytes"


def bad_signature(fleet: Fleet, column: Column) -> str:
    with served_on(fleet, bad_signature_parts(column), column) as (stranger, listener):
        foreign = listener if column.dialer == "chorale" else stranger
        # The foreign peer is the judge of the liar: it must take the honest handshake alone.
        for lie in Lie:
            _dials(foreign, column, lie)
        if column.dialer == "chorale":
            _listens(stranger, column)
        else:
            watch = Watch(listener)
            for lie in Lie:
                _dials(listener, column, lie)
            watch.expect_closed([Closed("handshake_failed", "noise_") for _ in LIES])
    return f"{len(LIES)} forgeries refused, the honest handshake taken"


def _liar(column: Column, lie: Lie) -> wire.Identity:
    return wire.Identity(f"liar {column.title} {lie.name}".encode())


def _dials(listener: Peer, column: Column, lie: Lie) -> None:
    went_on = dial_raw(listener.address, _liar(column, lie), lie)
    if lie is Lie.NONE:
        require(went_on, f"{listener} refused an honest handshake")
    else:
        require(not went_on, f"{listener} went on after {lie.value}")


def _listens(dialer: Peer, column: Column) -> None:
    watch = Watch(dialer)
    for lie in Lie:
        identity = _liar(column, lie)
        with closing(RawListener(identity, lie)) as liar:
            try:
                dialer.connect(liar.address, timeout=8)
                connected = True
            except PeerFailure as failure:
                connected = False
                require(
                    not isinstance(failure, RefusedByChorale) or failure.kind == "unreachable",
                    f"{dialer} failed for another reason: {failure}",
                )
            dialer.disconnect(identity.id)
            honest = lie is Lie.NONE
            require(
                connected == honest,
                f"{dialer} {'refused an honest handshake' if honest else f'took {lie.value}'}",
            )
            until(f"{dialer}: an answer to {lie.name}", lambda: liar.went_on, timeout=9)
            require(liar.went_on[0] == honest, f"{dialer} went on after {lie.value}")
    watch.expect_closed([Closed("handshake_failed", "noise_") for _ in LIES])
