"""Child processes that never outlive the harness."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Optional, Sequence

#: How long a process may take to leave when asked, in seconds, before it is killed.
GRACE = 3.0


class Children:
    """Every process started, each in a process group of its own; `stop_all` leaves none behind.

    Three things keep strays away: this class on the ordinary ways out (Ctrl-C and SIGTERM
    included), the kernel's parent-death signal where `setpriv` exists, and, for foreign peers, an
    open pipe or control connection whose end they take as the order to leave.
    """

    def __init__(self, log_folder: Path) -> None:
        self.log_folder = log_folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []
        self._prefix = self._parent_death_prefix()

    @staticmethod
    def _parent_death_prefix() -> list[str]:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return []
        works = subprocess.run(
            [setpriv, "--pdeathsig", "KILL", "true"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return [setpriv, "--pdeathsig", "KILL"] if works.returncode == 0 else []

    def start(
        self, name: str, arguments: Sequence[str], *, pipes: bool = False
    ) -> subprocess.Popen[bytes]:
        """Starts a program whose errors (and output, without `pipes`) go to `<name>.log`."""
        # The parent-death signal follows the thread that forked.
        assert threading.current_thread() is threading.main_thread()
        log = open(self.log_folder / f"{name}.log", "ab", buffering=0)
        process = subprocess.Popen(
            [*self._prefix, *arguments],
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else log,
            stderr=log,
            start_new_session=True,
        )
        self._running.append(process)
        self._logs.append(log)
        return process

    def stop(self, process: subprocess.Popen[bytes], *, grace: float = GRACE) -> Optional[int]:
        """Asks the process to leave, waits, and kills its group. Returns its exit status."""
        return self._stop([process], grace)[0]

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        self._signal(process, signal.SIGKILL)
        process.wait()
        self._forget(process)

    def stop_all(self, *, grace: float = GRACE) -> None:
        self._stop(list(self._running), grace)
        for log in self._logs:
            log.close()
        self._logs.clear()

    def _stop(self, processes: list[subprocess.Popen[bytes]], grace: float) -> list[Optional[int]]:
        for process in processes:
            self._signal(process, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for process in processes:
            self._signal(process, signal.SIGKILL)
            process.wait()
            self._forget(process)
        return [process.returncode for process in processes]

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        if process in self._running:
            self._running.remove(process)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: int) -> None:
        # `start_new_session` made the child the leader of a group with its own id. A child that
        # was already waited for may have given its id away, so it gets no signal.
        if process.returncode is not None:
            return
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


_given: set[int] = set()


def free_port() -> int:
    """A loopback TCP port that nobody listens on now and that this run gave to nobody else."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
