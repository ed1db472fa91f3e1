"""The chain on a local network: blocks, load, a killed validator, late joiners, an equivocator.

Used by testnet/run, which starts the processes and prints the table. What a node says of its chain
comes from its admin socket, as `chorale admin chain --json` prints it; whether all have the same
chain is asked of each node's JSON-RPC, block by block.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import operations as parts


class Unavailable(Exception):
    """A node that does not answer now. It may do so later."""


class RPC:
    """A client of one node's JSON-RPC."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.url, body.encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer = json.load(answer)
        except (OSError, urllib.error.URLError, ValueError) as error:
            raise Unavailable(f"{self.url}: {error}") from None
        if answer.get("error"):
            raise Unavailable(f"{self.url}: {method}: {answer['error'].get('message')}")
        return answer["result"]

    def height(self):
        return int(self.call("eth_blockNumber"), 16)

    def block_hash(self, number):
        """The hash of a block; None when the node does not have it."""
        block = self.call("eth_getBlockByNumber", hex(number), False)
        return block and block["hash"]


class Status:
    """What a node last said of its chain. Before it said anything, everything is zero."""

    FIELDS = ("height", "round", "latest", "safe", "finalized", "blockBytes", "witnessBytes",
              "gasUsed", "transactionCount", "commitMilliseconds", "peersHighest",
              "evidenceCount", "validatorCount")

    def __init__(self, answer=None):
        answer = answer or {}
        for field in self.FIELDS:
            setattr(self, field, number(answer.get(field)))
        self.step = str(answer.get("step") or "")
        self.proposer = str(answer.get("proposer") or "")
        self.is_syncing = bool(answer.get("isSyncing"))
        self.is_known = bool(answer)
        self.checkpoint = answer.get("checkpoint")


def number(value):
    """A field that is a number, or an object that has its number in `height` or `number`."""
    if isinstance(value, dict):
        value = value.get("height", value.get("number"))
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return 0
    return value if isinstance(value, (int, float)) else 0


def offers_chain(binary):
    """Whether `chorale run` of this binary can serve a chain."""
    told = subprocess.run([binary, "run", "--help"], capture_output=True, text=True, check=False)
    return "--rpc-address" in told.stdout


# Of a block that a node does not have and need not have.
ABSENT = object()


def compare(hashes):
    """Where chains differ.

    `hashes` are lists of block hashes by height from 0 on, by name; ABSENT for heights of before a chain
    that began at a checkpoint. Returns the height up to which all agree, and for the first height at
    which they do not the names by hash, or None.
    """
    common = min((len(chain) for chain in hashes.values()), default=0)
    for height in range(common):
        found = {}
        for name, chain in hashes.items():
            if chain[height] is ABSENT:
                continue
            found.setdefault(chain[height], []).append(name)
        if len(found) > 1:
            return height - 1, found
    return common - 1, None


class Chain:
    """The part of a run that is about the chain."""

    HEADER = (f"    {'name':<12} {'height':>7} {'round':>5} {'proposer':<14} {'txs':>5} {'Mgas/s':>7}"
              f" {'block':>9} {'witness':>9} {'commit':>8} {'safe':>6} {'final':>6}")

    def __init__(self, network, rpc_port):
        self.network = network
        self.options = network.options
        self.report = network.report.setdefault("chain", {})
        self.next_port = rpc_port
        self.load = None
        self.load_file = None
        self.gas = {}
        self.operations = None

    # What each node is started with

    def equip(self, nodes):
        """Gives nodes their flags; the last validators keep no state."""
        validators = [node for node in nodes if node.role == "validator"]
        stateless = {node.name for node in validators[len(validators) - self.options.stateless:]}
        for node in nodes:
            node.is_stateless = node.name in stateless
            self.equip_one(node)
        if self.options.operation_seconds and any(node.role == "executor" for node in nodes):
            self.operations = parts.Operations(self.network, self)
            self.operations.equip(nodes)

    def equip_one(self, node):
        node.rpc = None
        # The lowest height whose block it has.
        node.first = 0
        if node.role in ("validator", "observer"):
            node.rpc = RPC(self.next_port)
            # In its file, so that commands that are given its directory find it.
            with open(os.path.join(node.directory, "config.yaml"), "a", encoding="utf-8") as file:
                file.write(f"rpc-address: 127.0.0.1:{self.next_port}\n")
            self.next_port += 1
        if getattr(node, "is_stateless", False):
            node.flags.append("--stateless")

    @property
    def nodes(self):
        return [node for node in self.network.nodes if getattr(node, "rpc", None)]

    @property
    def validators(self):
        return [node for node in self.network.nodes if node.role == "validator"]

    # What nodes say

    def refresh(self, node):
        """Asks a node for its chain: what `chorale admin chain --json` prints, from its socket."""
        if node.state not in ("up", "silent"):
            return
        try:
            node.chain = Status(node.call("chorale_chain"))
            self.measure(node)
        except (OSError, ValueError, self.network.refusal):
            pass

    def measure(self, node):
        """Gas a second, over the blocks since the last look."""
        now = time.monotonic()
        height, at, _ = self.gas.get(node.name, (node.chain.height, now, 0.0))
        if node.chain.height > height:
            rate = node.chain.gasUsed * (node.chain.height - height) / max(now - at, 1e-3)
            self.gas[node.name] = (node.chain.height, now, rate)
        elif node.name not in self.gas:
            self.gas[node.name] = (height, at, 0.0)

    def lines(self):
        lines = [self.HEADER]
        for node in self.nodes:
            chain = node.chain
            rate = self.gas.get(node.name, (0, 0, 0.0))[2] / 1e6
            mark = "syncing" if chain.is_syncing else chain.proposer[-14:]
            lines.append(
                f"    {node.name:<12} {chain.height:>7} {chain.round:>5} {mark:<14}"
                f" {chain.transactionCount:>5} {rate:>7.2f} {size(chain.blockBytes):>9}"
                f" {size(chain.witnessBytes):>9} {chain.commitMilliseconds:>5.0f} ms"
                f" {chain.safe:>6} {chain.finalized:>6}")
        return lines

    def wait(self, condition, limit, nodes=None):
        """Polls until `condition`; gives the seconds it took, or None."""
        network = self.network
        start = time.monotonic()
        while True:
            for node in network.nodes:
                if node.state != "killed":
                    node.check_alive()
            for node in nodes or self.nodes:
                node.refresh()
                self.refresh(node)
            network.table(extra=self.lines())
            if self.operations:
                self.operations.tick()
            if condition():
                return time.monotonic() - start
            if time.monotonic() - start > limit:
                return None
            time.sleep(0.5)

    def height(self, nodes=None):
        return max((node.chain.height for node in nodes or self.nodes), default=0)

    def wait_height(self, height, limit, nodes=None):
        nodes = nodes or [node for node in self.nodes if node.state != "killed"]
        return self.wait(lambda: all(n.chain.height >= height for n in nodes), limit)

    # Steps

    def begin(self):
        self.network.step("the chain makes blocks")
        took = self.wait_height(3, 60)
        self.network.table(final=True, extra=self.lines())
        self.network.check(
            "blocks are committed", took is not None,
            f"every node is at height {min(n.chain.height for n in self.nodes)} or above"
            + ("" if took is None else f" after {took:.1f} s"))

    def start_load(self):
        target = next((n for n in self.nodes if n.role == "observer"), self.nodes[0])
        accounts = parts.write_load_accounts(os.path.join(self.network.data, "genesis"))
        self.network.step(
            f"{self.options.rate:g} transactions a second go to {target.name}")
        self.load_file = os.path.join(self.network.data, "load.json")
        with open(self.load_file, "wb") as output, \
                open(os.path.join(self.network.data, "load.log"), "wb") as log:
            self.load = subprocess.Popen(
                [self.options.binary, "load", "--rpc", target.rpc.url, "--accounts", accounts,
                 "--rate", str(self.options.rate), "--duration", str(self.options.load_seconds),
                 "--mix", "--json"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=log, start_new_session=True)

    def finish_load(self):
        self.wait(lambda: self.load.poll() is not None, self.options.load_seconds + 60)
        status = self.load.poll()
        if status is None:
            self.load.kill()
        try:
            with open(self.load_file, encoding="utf-8") as file:
                report = json.load(file)
        except ValueError:
            report = {}
        self.report["load"] = report
        latency = report.get("latencyMilliseconds", {})
        self.network.check(
            "transactions are included", status == 0,
            f"{report.get('included', 0)} of {report.get('sent', 0)},"
            f" {report.get('includedPerSecond', 0):g} a second,"
            f" p50 {latency.get('p50') or 0:.0f} ms, p99 {latency.get('p99') or 0:.0f} ms")

    def kill_validator(self):
        """kill -9; the others go on, and the one that comes back follows."""
        victim = self.validators[min(1, len(self.validators) - 1)]
        others = [node for node in self.nodes if node is not victim]
        self.network.step(f"kill -9 {victim.name} (pid {victim.process.pid})")
        victim.kill()
        victim.state = "killed"
        tolerated = len(self.validators) >= 4
        height = self.height(others)
        if tolerated:
            took = self.wait_height(height + 4, 60, others)
            self.network.check(
                "the chain goes on without a validator", took is not None,
                f"from height {height} to {self.height(others)}")
        victim.start()
        height = self.height(others)
        took = self.wait_height(height + 2, 90)
        self.network.table(final=True, extra=self.lines())
        self.network.check(
            "a killed validator comes back and catches up", took is not None,
            f"{victim.name} is at height {victim.chain.height},"
            f" the others at {self.height(others)}")

    def stranger(self, name):
        """A copy of the public files, an identity of its own."""
        network = self.network
        public = os.path.join(network.data, "public")
        os.makedirs(public, exist_ok=True)
        for file in ("config.yaml", "genesis.json", "validators.yaml", "network-digest",
                     "bootnodes.txt"):
            shutil.copy(os.path.join(network.data, "genesis", file), public)
        home = os.path.join(network.data, name)
        made = subprocess.run(
            [self.options.binary, "init", "--data-dir", home, "--network", public],
            capture_output=True, text=True, check=False)
        if made.returncode != 0:
            network.check(f"{name} is made", False, made.stderr.strip())
            return None
        node = network.add_node(name, "observer", home)
        node.flags += ["--listen", "/ip4/127.0.0.1/tcp/0", "--address-policy", "local"]
        self.equip_one(node)
        return node

    def join_late(self):
        """A stranger that executes the chain from its genesis."""
        network = self.network
        height = self.height()
        network.step(f"a late joiner starts at height {height}, as testnet/join does")
        node = self.stranger("late-joiner")
        if node is None:
            return
        start = time.monotonic()
        node.start()
        took = self.wait(
            lambda: node.chain.height >= max(height, self.height() - 2) and not node.chain.is_syncing,
            120)
        network.table(final=True, extra=self.lines())
        network.check(
            "a late joiner catches up", took is not None,
            f"height {node.chain.height} of {self.height()},"
            f" {node.chain.height / max(time.monotonic() - start, 1e-3):.0f} blocks a second")

    def join_by_checkpoint(self):
        """A stranger that trusts a validator's checkpoint and downloads the state of it."""
        network = self.network
        source = self.validators[0]
        self.wait(lambda: source.chain.checkpoint, 60 * self.options.block_time, [source])
        checkpoint = source.chain.checkpoint
        network.step(f"another joins at checkpoint {str(checkpoint)[:18]}…, of {source.name}")
        if not checkpoint:
            network.check("a checkpoint is there", False, f"at height {self.height()}")
            return
        node = self.stranger("checkpoint-joiner")
        if node is None:
            return
        node.first = int(checkpoint.split(":")[0])
        node.flags += ["--checkpoint", checkpoint]
        node.start()
        took = self.wait(lambda: node.chain.height >= max(node.first + 1, self.height() - 2), 120)
        network.table(final=True, extra=self.lines())
        network.check(
            "a node joins by a checkpoint", took is not None,
            f"from height {node.first}, at {node.chain.height} of {self.height()}"
            + ("" if took is None else f" after {took:.1f} s"))

    def equivocate(self):
        """Validators come back as liars; what they signed twice ends up in a block."""
        liars = [n for n in self.validators if not n.is_stateless][-self.options.byzantine:]
        others = [node for node in self.nodes if node not in liars]
        for liar in liars:
            self.network.step(f"{liar.name} comes back as an equivocator")
            liar.stop()
            liar.process.wait(timeout=10)
            liar.flags += ["--byzantine", "equivocate"]
            liar.is_byzantine = True
            liar.start()
        count = len(liars)
        took = self.wait(
            lambda: all(node.chain.evidenceCount >= count for node in others), 120)
        self.network.table(final=True, extra=self.lines())
        self.network.check(
            "evidence lands in blocks", took is not None,
            f"{min(n.chain.evidenceCount for n in others)} pieces at every honest node for"
            f" {count} equivocator{'s' if count != 1 else ''}")

    def until_height(self):
        height = self.options.until_height
        if not height or self.height() >= height:
            return
        self.network.step(f"on to height {height}")
        took = self.wait_height(height, 60 + 20 * (height - self.height()), self.honest)
        self.network.check("the height is reached", took is not None, f"{self.height()}")

    @property
    def honest(self):
        return [n for n in self.nodes if not getattr(n, "is_byzantine", False)]

    def verdict(self):
        """Every node has the same block at every height that all have, and nobody is behind."""
        self.network.step("every node's chain, block by block")
        hashes, heights = {}, {}
        for node in self.honest:
            try:
                heights[node.name] = node.rpc.height()
            except Unavailable as error:
                self.network.check(f"{node.name} answers", False, str(error))
        common = min(heights.values(), default=0)
        for node in self.honest:
            if node.name not in heights:
                continue
            try:
                hashes[node.name] = [ABSENT] * min(node.first, common + 1) + [
                    node.rpc.block_hash(h) for h in range(node.first, common + 1)]
            except Unavailable as error:
                self.network.check(f"{node.name} answers", False, str(error))
        agreed, fork = compare(hashes)
        self.report["heights"] = heights
        missing = [name for name, chain in hashes.items() if None in chain]
        self.network.check(
            "no fork", fork is None and not missing and agreed >= 1 and len(hashes) == len(self.honest),
            f"{len(hashes)} nodes have the same {agreed + 1} blocks" if fork is None and not missing
            else f"height {agreed + 1}: {fork}" if fork else f"blocks are missing at {missing}")
        behind = {n: h for n, h in heights.items() if h < max(heights.values()) - 2}
        self.network.check(
            "all are caught up", bool(heights) and not behind,
            f"heights {min(heights.values(), default=0)}–{max(heights.values(), default=0)}"
            + (f", behind: {behind}" if behind else ""))

    def run(self):
        self.begin()
        if self.network.failed:
            return
        if self.operations:
            self.operations.begin()
            if self.network.failed:
                self.operations.stop()
                return
        self.start_load()
        try:
            if self.operations and self.options.kill_executor:
                self.operations.kill_executor()
            self.kill_validator()
            self.join_late()
            self.join_by_checkpoint()
            if self.options.byzantine:
                self.equivocate()
            self.until_height()
        finally:
            if self.load.poll() is None and self.network.failed:
                self.load.terminate()
            if self.operations and self.network.failed:
                self.operations.stop()
        self.finish_load()
        if self.operations:
            self.operations.finish()
        self.verdict()


def size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""
