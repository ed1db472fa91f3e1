"""Which kinds meet, and who dials."""

from __future__ import annotations

from dataclasses import dataclass

from .fleet import Part


@dataclass(frozen=True)
class Column:
    """Who dials whom."""

    dialer: str
    listener: str

    @property
    def title(self) -> str:
        return f"{self.dialer}→{self.listener}"

    @property
    def pair(self) -> tuple[Part, Part]:
        """The two processes that most cells of the column share.

        Two columns of the same kinds never share a pair, so that each dial is a first one.
        """
        letter = "a" if self in _FIRST else "b"
        return Part(self.dialer, letter), Part(self.listener, letter)

    def stranger(self, task: str) -> Part:
        """One more of the dialer's kind, which is connected to nobody before `task`.

        A fresh one each time: peers also dial the other addresses that they ever heard of.
        """
        return Part(self.dialer, f"{task}-of-{self.listener}")


_FIRST = {Column("go", "chorale"), Column("py", "chorale"), Column("go", "py")}

CHORALE_COLUMNS = [
    Column("go", "chorale"),
    Column("chorale", "go"),
    Column("py", "chorale"),
    Column("chorale", "py"),
]

#: The same table among the foreign peers, which shows that the harness asks for what is possible.
FOREIGN_COLUMNS = [Column("go", "py"), Column("py", "go")]
