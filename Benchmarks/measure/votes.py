"""Votes on parts, offered to a real validator at a rate."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from .chorale import Control
from .network import Program, base_port
from .report import Report
from .system import Stage, cpu_seconds, note, until
from .validators import thread_seconds

#: All are asked about every part. Two run; the keys of the others are the feeder's.
VALIDATORS = 32
#: Stake of the two that run, times that of each other: blocks need both, and parts the first and 21 others. The second
#: says nothing of parts.
WEIGHTS = (180, 90)
PARTS = 64
RATE = 10_000
GOAL = 10
#: At once: their votes last for a second and a half.
OPERATIONS = 8
BOND = "32"
EXECUTOR_ACCOUNT, FIRST_ACCOUNT = 2, 3


class Network:
    """Two validators with nearly all stake, an executor, and who has the other validators' keys."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.folder = stage, stage.folder / "votes"
        self.model, self.vector = stage.folder / "votes.model", stage.folder / "votes.input"
        ports = base_port()
        made = self.run(
            "genesis", "--validators", str(VALIDATORS), "--executors", "1", "--output",
            str(self.folder), "--base-port", str(ports), "--block-time", "1", "--seed", "1",
            "--accounts", str(FIRST_ACCOUNT + OPERATIONS), "--json")
        nodes = json.loads(made)["nodes"]
        self.accounts = self.folder / "accounts.yaml"
        self._weigh()
        self.digest = json.loads(self.run("network", str(self.folder), "--json"))["digest"]
        self.home = Path(nodes[0]["dataDir"])
        settings = (self.home / "config.yaml").read_text()
        self.metrics = re.search(r"^metrics-address: (\S+)", settings, re.M)[1]
        # Ports of the validators that do not run are free.
        self.rpc = f"127.0.0.1:{ports + len(WEIGHTS)}"
        self.validator, _ = self._start(
            nodes[0]["name"], self.home, "--rpc-address", self.rpc)
        self.pid = self.validator.pid
        self.second, _ = self._start(
            nodes[1]["name"], Path(nodes[1]["dataDir"]), "--byzantine", "silent-parts")
        self.executor_home = Path(nodes[VALIDATORS]["dataDir"])
        keys = stage.folder / "votes.keys"
        config = (self.folder / "validator-config.yaml").read_text()
        seeds = re.findall(r'^\s+privkey: "(?:0x)?(\w+)"', config, re.M)[:VALIDATORS]
        running = len(WEIGHTS)
        keys.write_text("\n".join(["-"] * running + seeds[running:]) + "\n")
        self.feeder = Control(
            "feeder", stage.children, stage.folder,
            [str(stage.tool), "votes", "--network", self.digest, "--keys", str(keys)])
        self.feeder.ask(f"dial {nodes[0]['address']}")

    def run(self, *arguments: str) -> str:
        made = subprocess.run(
            [str(self.stage.program), *arguments], capture_output=True, text=True, check=False,
            timeout=300)
        if made.returncode != 0:
            raise RuntimeError(f"chorale {arguments[0]}: {made.stderr.strip()}")
        return made.stdout

    def _weigh(self) -> None:
        """Gives those that run most of the stake; the network has another digest by that."""
        path = self.folder / "validators.yaml"
        pieces = re.split(r"(stake: \d+)", path.read_text())
        for index, weight in enumerate(WEIGHTS):
            stake = int(pieces[2 * index + 1].split()[1])
            pieces[2 * index + 1] = f"stake: {stake * weight}"
        path.write_text("".join(pieces))
        (self.folder / "network-digest").unlink()

    def _start(
        self, name: str, home: Path, *more: str
    ) -> tuple[Program, subprocess.Popen[bytes]]:
        process = self.stage.children.start(
            name, [str(self.stage.program), "run", "--data-dir", str(home), "--log-format", "json",
                   *more])
        return Program(process, home / "chorale.ipc", patience=60), process

    def proofs(self) -> dict[str, Any]:
        return self.validator.call("chorale_proofs")  # type: ignore[return-value]

    @property
    def certified(self) -> int:
        return int(self.proofs()["operationsCertified"])

    def start_executor(self) -> None:
        keys = re.findall(r'privateKey: "(\w+)"', self.accounts.read_text())
        account = self.executor_home / "account.key"
        account.touch(mode=0o600)
        account.write_text(keys[EXECUTOR_ACCOUNT] + "\n")
        executor, _ = self._start(
            "executor", self.executor_home, "--executor-account", str(account))
        self.run(
            "executor", "register", "--data-dir", str(self.executor_home), "--bond", BOND,
            *self.paying(EXECUTOR_ACCOUNT), "--json")
        until(
            lambda: (executor.call("chorale_proofs")["executor"] or {}).get("bondGwei"),  # type: ignore[index]
            60, "a registered executor")
        executor.close()
        widths = ",".join(["4"] * (PARTS + 1))
        told = json.loads(
            self.run("op", "make-model", "--widths", widths, str(self.model), "--input",
                     str(self.vector), "--json"))
        if told["parts"] != PARTS:
            raise RuntimeError(f"the model has {told['parts']} parts, not {PARTS}")

    def paying(self, account: int) -> tuple[str, ...]:
        return ("--rpc", f"http://{self.rpc}", "--accounts", str(self.accounts), "--account-index",
                str(account))

    def open_operations(self) -> None:
        """Has operations executed and committed to, whose parts only the one validator has voted on."""
        before, heard = self.certified, self.feeder.told("heard")["parts"]
        # An account for each, and all at once but the first, by which the node gets the model.
        asking: list[subprocess.Popen[bytes]] = []
        for index in range(OPERATIONS):
            asking.append(subprocess.Popen(
                [str(self.stage.program), "op", "submit", "--data-dir", str(self.home), "--kind",
                 "inference", "--model", str(self.model), "--input", str(self.vector), "--ttl",
                 "1000", *self.paying(FIRST_ACCOUNT + index), "--json"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
            if index == 0:
                asking[0].wait(timeout=60)
        for process in asking:
            _, errors = process.communicate(timeout=60)
            if process.returncode != 0:
                raise RuntimeError(f"chorale op submit: {errors.decode().strip()}")
        wanted = OPERATIONS * PARTS
        end = time.monotonic() + 60
        while (parts := self.feeder.told("heard")["parts"] - heard) < wanted:
            if time.monotonic() > end:
                raise RuntimeError(f"the validator has voted on {parts} parts of {wanted} in 60 s")
            time.sleep(0.05)
        ready = self.feeder.told("sign")["votes"]
        votes = wanted * (VALIDATORS - len(WEIGHTS))
        if ready != votes:
            raise RuntimeError(f"{ready} votes are ready, not {votes}")
        if self.certified != before:
            raise RuntimeError("an operation was certified before the votes came")

    def turns(self) -> dict[float, int]:
        """How many turns of the loop were at most so long, in seconds, since the start."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as page:
            found = re.findall(
                r'^chorale_loop_turn_seconds_bucket\{le="([^"]+)"\} (\d+)$', page.read().decode(),
                re.M)
        return {float(bound): int(count) for bound, count in found}

    def offer(self) -> "Offered":
        # The page is from the last second.
        time.sleep(1.1)
        before, had = self.turns(), self.proofs()["votesReceived"]
        used, threads = cpu_seconds([self.pid]), thread_seconds(self.pid)
        start = time.monotonic()
        told = self.feeder.told(f"offer {RATE}")
        # What is under way still counts.
        received, last = self.proofs()["votesReceived"] - had, -1
        while received > last:
            time.sleep(0.5)
            last, received = received, self.proofs()["votesReceived"] - had
        took = time.monotonic() - start
        used = cpu_seconds([self.pid]) - used
        own = thread_seconds(self.pid)
        shares = {name: round(own[name] - threads.get(name, 0), 2) for name in own}
        note(f"{told}, {received} received, CPU seconds {({n: v for n, v in shares.items() if v})}")
        time.sleep(1.1)
        after = self.turns()
        return Offered(
            told, {bound: count - before.get(bound, 0) for bound, count in after.items()}, received,
            used, took)

    def close(self) -> None:
        self.feeder.close()
        self.validator.close()
        self.second.close()


class Offered:
    """What came of votes that were offered."""

    def __init__(
        self, told: dict[str, float], turns: dict[float, int], received: int, cpu: float, took: float
    ) -> None:
        self.votes, self.seconds = int(told["offered"] - told["refused"]), told["seconds"]
        self.turns, self.received, self.cpu, self.took = turns, received, cpu, took

    def __add__(self, other: "Offered") -> "Offered":
        return Offered(
            {"offered": self.votes + other.votes, "refused": 0,
             "seconds": self.seconds + other.seconds},
            {bound: count + other.turns[bound] for bound, count in self.turns.items()},
            self.received + other.received, self.cpu + other.cpu, self.took + other.took)

    def percentile(self, share: float) -> float:
        """In milliseconds. Counts are cumulative, as the collector's format has them."""
        total = self.turns[float("inf")]
        return 1e3 * next(
            bound for bound in sorted(self.turns) if self.turns[bound] >= share * total)

    def tell(self, report: Report, what: str, goal: float | None) -> None:
        note(f"{what}: {self.turns[float('inf')]} turns, p50 {self.percentile(0.5):.2f} ms, p90 "
             f"{self.percentile(0.9):.2f}, p999 {self.percentile(0.999):.2f}")
        report.add(f"{what}, offered to a validator", "1/s", self.votes / self.seconds)
        report.add(f"{what}, taken in of those offered", "%", 100 * self.received / self.votes)
        report.add(f"{what}, CPU of the validator for each", "µs", 1e6 * self.cpu / self.votes)
        if goal is None:
            report.add(f"{what}, loop lag p99", "ms", self.percentile(0.99))
        else:
            report.at_most(f"{what}, loop lag p99", "ms", self.percentile(0.99), goal)


def votes(stage: Stage, report: Report) -> None:
    """10,000 votes a second on 64 subnets, offered to a validator of `chorale run`: its loop's lag"""
    network = Network(stage)
    try:
        network.start_executor()
        offered: Offered | None = None
        for _ in range(1 if stage.is_quick else 4):
            certified = network.certified
            network.open_operations()
            wave = network.offer()
            until(
                lambda: network.certified - certified >= OPERATIONS, 30,
                f"{OPERATIONS} operations certified by these votes")
            offered = wave if offered is None else offered + wave
        assert offered is not None
        offered.tell(report, "votes on 64 subnets", GOAL)
        # What anybody can send without a key of a validator: kept for a block that may come, unchecked.
        network.feeder.told(f"make {(2 if stage.is_quick else 5) * RATE}")
        network.offer().tell(report, "votes on unknown operations", None)
    finally:
        network.close()
