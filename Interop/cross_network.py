"""Four validators as real processes, one of which asks other implementations about each block before it votes.

It asks another node's engine port, the official executable specification, and implementations that are wrong on
purpose: one wrong voice is an alarm and the vote is cast, two are a refusal and it is not, while the other three
go on. What each said is kept, shown, counted, and what was disagreed about replays. web3.py drives the same chain.
"""

from __future__ import annotations

import argparse
import glob
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

HERE = Path(__file__).resolve().parent
SPEC = f"spec=exec:{HERE / 'verifiers/spec'}"
WRONG = f"exec:{HERE / 'verifiers/wrong'}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="Interop/cross-network", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: Interop/cross-network --chorale .build/release/chorale",
    )
    parser.add_argument("--chorale", metavar="PATH", type=Path, help="the program under test")
    parser.add_argument(
        "--block-time", metavar="SECONDS", type=int,
        help="the specification has as long as that for an answer (default: thrice what it takes here now, 2 to 6)")
    parser.add_argument("--base-port", metavar="PORT", type=int, default=9600)
    return parser.parse_args()


def program(chosen: Optional[Path]) -> Path:
    candidates = [chosen] if chosen else [
        HERE.parent / folder / "release/chorale" for folder in (".build-test", ".build")]
    for path in candidates:
        if os.access(path, os.X_OK):
            return path.resolve()
    sys.exit(f"cross-network: no program at {' or '.join(map(str, candidates))}: run `make build`")


class Validator:
    def __init__(self, binary: Path, home: Path, index: int) -> None:
        self.binary, self.home, self.index = binary, home, index
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.addresses: Dict[str, str] = {}

    def start(self, *flags: str) -> None:
        self.log = self.home.parent / f"{self.home.name}.log"
        self.addresses = {}
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", "--data-dir", self.home, "--rpc-address", "127.0.0.1:0", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("CHORALE_")})
        self.offset = offset

    def address(self, of: str) -> str:
        """Where it serves something, from its log."""
        def found() -> Optional[str]:
            assert self.process and self.process.poll() is None, f"{self.home.name} ended: {self.said()[-800:]}"
            match = re.search(re.escape(of) + r".*address=([0-9.:]+)", self.said())
            return match and match.group(1)
        return until(f"{self.home.name}: {of}", found)

    def said(self) -> str:
        with open(self.log, errors="replace") as file:
            file.seek(self.offset)
            return file.read()

    def admin(self, *arguments: str) -> Any:
        done = subprocess.run(
            [self.binary, "admin", *arguments, "--data-dir", self.home, "--json"],
            capture_output=True, text=True, timeout=20, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def height(self) -> int:
        told = self.admin("chain")
        return int(told["latest"]) if told else 0

    def block_hash(self, height: int) -> str:
        return self.rpc("eth_getBlockByNumber", hex(height), False)["hash"]

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            f"http://{self.address('serving JSON-RPC')}", json.dumps(body).encode(),
            {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["result"]

    def metrics(self) -> Dict[str, float]:
        with urllib.request.urlopen(f"http://{self.address('serving HTTP')}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def block_time() -> int:
    """Thrice what the specification takes to load, on this machine with what else it does."""
    question = {"fork": "Prague", "chainId": 1, "block": "0x", "witness": {"state": [], "codes": [], "headers": []}}
    longest = 0.0
    for _ in range(2):
        begin = time.monotonic()
        done = subprocess.run([HERE / "verifiers/spec"], input=json.dumps(question).encode(), capture_output=True, check=True)
        longest = max(longest, time.monotonic() - begin)
        assert json.loads(done.stdout)["status"] == "INVALID", done.stdout
    return min(6, max(2, math.ceil(3 * longest)))


#: Seconds that a step may take; set with the block time.
patience = 45.0


def until(what: str, condition: Callable[[], Any]) -> Any:
    limit = patience
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {limit:g} s"
        time.sleep(0.2)


class Run:
    #: In gwei, of who joins.
    STAKE = 3_000_000_007

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        self.binary = program(chosen.chorale)
        self.directory = directory
        interval = self.interval = chosen.block_time or block_time()
        global patience
        patience = 20.0 + 12 * interval
        made = subprocess.run(
            [self.binary, "genesis", "--validators", "4", "--output", directory / "net", "--base-port",
             str(chosen.base_port), "--block-time", str(interval), "--epoch-blocks", "4", "--genesis-time", "+2", "--json"],
            capture_output=True, text=True, check=True)
        genesis = json.loads(made.stdout)
        homes = [entry["dataDir"] for entry in genesis["nodes"]]
        self.nodes = [Validator(self.binary, directory / "net" / home, index) for index, home in enumerate(homes)]

    @property
    def asking(self) -> Validator:
        return self.nodes[0]

    def ask(self, *verifiers: str) -> None:
        """(Re)starts the first validator with these verifiers."""
        self.asking.stop()
        flags = [part for verifier in verifiers for part in ("--cross-validate", verifier)]
        self.asking.start("--metrics-address", "127.0.0.1:0", *flags)

    def reports(self, decision: str, count: int) -> List[Dict[str, Any]]:
        """So many reports with a decision to which everybody answered in time, from blocks after now: on a busy machine
        the specification is late at times, which is no disagreement and no help here."""
        first = self.nodes[1].height() + 1

        def found() -> Optional[List[Dict[str, Any]]]:
            reports = [report for report in self.asking.admin("validations") or []
                       if report["blockNumber"] >= first and report["decision"] == decision and not report["silent"]]
            return reports if len(reports) >= count else None
        try:
            return until(f"{count} reports that say {decision}", found)
        except AssertionError:
            raise AssertionError(
                f"no {count} reports that say {decision}: {json.dumps(self.asking.admin('validations'))[:1500]}") from None

    def engine(self) -> str:
        """The second node's engine port, whose implementation we call by another name to give it a voice."""
        secret = self.nodes[1].home / "jwt.hex"
        return f"other=http://{self.nodes[1].address('serving the engine API')},jwtsecret={secret}"

    # Steps

    def begin(self) -> str:
        self.nodes[1].start("--engine-address", "127.0.0.1:0")
        for node in self.nodes[2:]:
            node.start()
        self.ask(self.engine(), SPEC, "wrong=" + WRONG)
        until("three blocks", lambda: min(node.height() for node in self.nodes) >= 3)
        return f"height {self.asking.height()}, a block each {self.interval} s"

    def wallet(self, *arguments: str, given: Optional[str] = None) -> str:
        accounts = (self.directory / "net/accounts.yaml").read_text()
        key = re.search(r"privateKey:\s*\"?(0x)?([0-9a-fA-F]{64})", accounts)
        assert key, "accounts.yaml has no key"
        done = subprocess.run(
            [sys.executable, HERE / "web3_chain.py", "--rpc", f"http://{self.asking.address('serving JSON-RPC')}",
             "--key", "0x" + key.group(2), *arguments], input=given, capture_output=True, text=True, timeout=4 * patience,
            check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def web3(self) -> str:
        return f"{len(self.wallet().splitlines())} steps ok"

    def program_says(self, *arguments: Any) -> str:
        return subprocess.run([self.binary, *arguments], capture_output=True, text=True, check=True).stdout

    def balance(self, address: str) -> int:
        return int(self.nodes[1].rpc("eth_getBalance", address, "latest"), 16)

    def stake(self) -> str:
        """A deposit as the program prints it and a wallet sends it makes a validator, and an exit takes it out."""
        accounts = (self.directory / "net/accounts.yaml").read_text()
        address = re.search(r"address:\s*\"?(0x[0-9a-fA-F]{40})", accounts)
        assert address, "accounts.yaml has no address"
        self.owner, key = address.group(1), self.directory / "fifth.key"
        self.program_says("key", "generate", key)
        deposit = self.program_says(
            "validator", "deposit", key, "--network", self.directory / "net", "--to", self.owner, "--gwei",
            str(self.STAKE), "--json")
        self.wallet("--send", "-", given=deposit)
        until("five validators", lambda: self.nodes[1].admin("chain")["validatorCount"] == 5)
        self.wallet("--send", "-", given=self.program_says("validator", "exit", key, "--json"))
        until("four validators", lambda: self.nodes[1].admin("chain")["validatorCount"] == 4)
        self.without_stake = self.balance(self.owner)
        return f"in at an epoch's end, out at another, height {self.nodes[1].height()}"

    def paid(self) -> str:
        """The stake comes back by a withdrawal, which costs nobody anything."""
        wei = self.STAKE * 10**9
        until("the stake", lambda: self.balance(self.owner) == self.without_stake + wei)
        return f"{wei} wei"

    def one_disagrees(self) -> str:
        report = self.reports("accept_alarm_disagreement", 2)[0]
        said = {answer["family"]: answer["outcome"] for answer in report["answers"]}
        assert said == {"other": "agree", "spec": "agree", "wrong": "disagree"}, report
        assert (report["agree"], report["disagree"], report["silent"]) == (3, 1, 0), report
        told = self.asking.admin("chain")
        assert told["isSigning"], told
        text = self.asking.said()
        assert "implementations disagree about a block" in text, "no alarm in the log"
        self.replay(report)
        return f"block {report['blockNumber']}: an alarm, and a vote; spec after {report['answers'][1]['seconds']:.1f} s"

    def replay(self, report: Dict[str, Any]) -> None:
        bundle = Path(report["incident"]) / "case.json"
        done = subprocess.run([self.binary, "witness", "execute", bundle, "--json"],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        again = json.loads(done.stdout)
        for name in ("stateRoot", "receiptsRoot"):
            assert again[name] == report[name], (again, report)
        compared = subprocess.run(
            [self.binary, "witness", "compare", bundle, "--with", SPEC, "--with", "wrong=" + WRONG, "--timeout", "60",
             "--json"], capture_output=True, text=True, timeout=90, check=False)
        decision = json.loads(compared.stdout)["decision"]
        assert decision == "accept_alarm_disagreement", compared.stdout

    def two_disagree(self) -> str:
        self.ask(self.engine(), SPEC, "wrong=" + WRONG, "worse=" + WRONG)
        report = self.reports("refuse_disagreement", 2)[0]
        assert (report["agree"], report["disagree"]) == (3, 2), report
        # It votes for none of them: each is refused, for this reason.
        name = 'chorale_chain_blocks_invalid_total{reason="cross_validation"}'
        refused = until("blocks refused", lambda: (m := self.asking.metrics()) and int(m.get(name, 0)))
        # The other three are more than two thirds, and it follows them.
        height = self.nodes[1].height()
        until("the chain goes on", lambda: min(node.height() for node in self.nodes) >= height + 2)
        common = min(node.height() for node in self.nodes)
        hashes = {node.block_hash(common) for node in self.nodes}
        assert len(hashes) == 1, hashes
        return f"{refused} blocks refused, the chain at {common} and the same everywhere"

    def counted(self) -> str:
        page = until("metrics", lambda: (m := self.asking.metrics()) and m.get(
            'chorale_validation_disagreements_total{family="worse"}') and m)
        for family, name in (("spec", "agreements"), ("other", "agreements"), ("chorale", "agreements"),
                             ("wrong", "disagreements"), ("worse", "disagreements")):
            assert page[f'chorale_validation_{name}_total{{family="{family}"}}'] >= 2, (family, page)
        assert page['chorale_validation_blocks_total{decision="refuse_disagreement"}'] >= 2
        return "by family and decision"

    def kept(self) -> str:
        """Reports outlive the process that wrote them."""
        before = {report["blockHash"] for report in self.asking.admin("validations")}
        height = max(report["blockNumber"] for report in self.asking.admin("validations"))
        self.asking.stop()
        self.asking.start("--metrics-address", "127.0.0.1:0")
        again = until("a node", lambda: self.asking.admin("validations", str(height)))
        assert again[0]["blockHash"] in before and again[0]["blockNumber"] == height, again
        return f"of height {height}"

    def end(self) -> None:
        for node in self.nodes:
            node.stop()


def main() -> int:
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="chorale-net-") as directory:
        run = Run(chosen, Path(directory))
        begin = time.monotonic()
        try:
            for name, step in (
                    ("four validators make blocks", run.begin), ("web3.py drives the chain", run.web3),
                    ("a stranger's stake comes and goes", run.stake),
                    ("one of four families disagrees", run.one_disagrees),
                    ("two of five families disagree", run.two_disagree), ("answers are counted", run.counted),
                    ("the stake is paid back", run.paid),
                    ("reports are kept", run.kept)):
                try:
                    print(f"{name:34} ok      {step()}  ({time.monotonic() - begin:.0f} s)", flush=True)
                except Exception as error:  # noqa: BLE001  (whatever it is, it is the result)
                    print(f"{name:34} FAILED  {type(error).__name__}: {error}", flush=True)
                    for path in glob.glob(f"{directory}/net/*.log"):
                        print(f"--- {path}\n" + Path(path).read_text(errors="replace")[-1500:])
                    return 1
        finally:
            run.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
