"""Drivers for real peers (go-libp2p's daemon, py-libp2p, Chorale) and the cells that they run."""
