"""Operations on a local network: executors register, somebody asks for inferences all the time, and each is
executed once, proven in parts, verified in parts, certified and settled.

Used by testnet/run. Every operation is a process of its own, `chorale op submit --watch --json`, as a user would
start it; what the nodes did for it comes from their admin sockets, as `chorale admin proofs --json` prints it.
"""

import hashlib
import json
import os
import struct
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODEL = os.path.join(ROOT, "models", "digits", "digits.model")
INPUTS = os.path.join(ROOT, "models", "digits", "inputs")
# Of accounts.yaml: the first is for whoever tries the network from another terminal.
USER_ACCOUNT, SUBMITTING_ACCOUNT, EXECUTOR_ACCOUNT = 0, 1, 2
ACCOUNTS = 16
BOND = "32"
# Proven in parts, and every fourth without proofs, for a committee to execute again.
PROVEN, JUDGED, JUDGED_EVERY = "inference", "inference-committee", 4
# A model whose parts take some seconds to prove, for what happens in the middle of it.
LARGE_WIDTHS, LARGE_SEED = [512] * 12 + [10], 2026


def read_accounts(path):
    """The private keys of `accounts.yaml`, in its order."""
    with open(path, encoding="utf-8") as file:
        return [line.split('"')[1] for line in file if "privateKey" in line]


def write_load_accounts(genesis):
    """Accounts that nobody else sends from, for the load."""
    taken = EXECUTOR_ACCOUNT + 8
    with open(os.path.join(genesis, "accounts.yaml"), encoding="utf-8") as file:
        entries = file.read().split("- name: ")[1:]
    path = os.path.join(genesis, "load-accounts.yaml")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for entry in entries[taken:]:
            if entry.startswith("account-"):
                file.write("- name: " + entry)
    return path


def vector_file(values):
    """A vector of int8 as docs/inference.md defines its file."""
    return b"CHQV" + struct.pack("<HBBI", 1, 1, 0, len(values)) + bytes(v & 0xFF for v in values)


class Submission:
    """One operation, from its request to its end."""

    def __init__(self, process, kind, name, expected, output):
        self.process, self.kind, self.name = process, kind, name
        self.expected, self.output = expected, output
        self.started = time.monotonic()
        self.status = None
        self.last = {}
        self.phases = {}
        self.operation = None

    def poll(self):
        """Whether it has ended. Reads what the process has said."""
        with open(self.output, encoding="utf-8") as file:
            for line in file:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                self.operation = said.get("operation", self.operation)
                self.last = said
                self.phases = said.get("phases", self.phases)
        self.status = self.process.poll()
        return self.status is not None

    @property
    def phase(self):
        return self.last.get("phase", "submitted")


class Operations:
    """The part of a run that is about operations."""

    def __init__(self, network, chain):
        self.network, self.chain, self.options = network, chain, network.options
        self.report = network.report.setdefault("operations", {})
        self.submissions = []
        self.running = []
        self.next_at = None
        self.large = None

    # What each node is started with

    def equip(self, nodes):
        genesis = os.path.join(self.network.data, "genesis")
        keys = read_accounts(os.path.join(genesis, "accounts.yaml"))
        self.executors = [node for node in nodes if node.role == "executor"]
        for index, node in enumerate(self.executors):
            path = os.path.join(node.directory, "account.key")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(keys[EXECUTOR_ACCOUNT + index] + "\n")
            node.flags += ["--executor-account", path]
        if self.options.garbage_prover and self.executors:
            self.executors[0].flags += ["--byzantine", "garbage-proofs"]
        validators = [node for node in nodes if node.role == "validator"]
        for node in validators[:self.options.silent]:
            node.flags += ["--byzantine", "silent-parts"]
            node.is_silent = True

    @property
    def entrance(self):
        """The node that is asked: an observer, as a user's would be."""
        nodes = self.chain.nodes
        return next((node for node in nodes if node.role == "observer"), nodes[0])

    def command(self, *arguments):
        entrance = self.entrance
        return [self.options.binary, *arguments[:2], "--data-dir", entrance.directory,
                "--rpc", entrance.rpc.url, *arguments[2:]]

    # Steps

    def register(self):
        self.network.step("executors register with a bond, by transactions")
        accounts = os.path.join(self.network.data, "genesis", "accounts.yaml")
        for index, node in enumerate(self.executors):
            made = subprocess.run(
                [self.options.binary, "executor", "register", "--data-dir", node.directory,
                 "--bond", BOND, "--rpc", self.entrance.rpc.url, "--accounts", accounts,
                 "--account-index", str(EXECUTOR_ACCOUNT + index), "--json"],
                capture_output=True, text=True, check=False)
            if made.returncode != 0:
                self.network.check(f"{node.name} registers", False, made.stderr.strip())
        bonds = self.wait(lambda: all(self.bond(node) for node in self.executors), 30)
        self.network.check(
            "executors are registered", bonds,
            f"{sum(bool(self.bond(node)) for node in self.executors)} of {len(self.executors)},"
            f" {BOND} ether each")

    def wait(self, condition, limit):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.3)
        return condition()

    def proofs(self, node):
        try:
            return node.call("chorale_proofs")
        except (OSError, ValueError, self.network.refusal):
            return {}

    def bond(self, node):
        return (self.proofs(node).get("executor") or {}).get("bondGwei")

    def start(self):
        self.next_at = time.monotonic()
        self.network.step(
            f"an inference is asked for every {self.options.operation_seconds:g} s")

    def submit(self, model=MODEL, vector=None, name=None, expected=None, ttl=120):
        number = len(self.submissions)
        kind = PROVEN
        if vector is None:
            if number % JUDGED_EVERY == JUDGED_EVERY - 1:
                kind = JUDGED
            expected = number % 10
            vector = os.path.join(INPUTS, f"{expected}.input")
            name = f"digit {expected}"
        output = os.path.join(self.network.data, f"operation-{number}.json")
        accounts = os.path.join(self.network.data, "genesis", "accounts.yaml")
        with open(output, "wb") as file, \
                open(os.path.join(self.network.data, "operations.log"), "ab") as log:
            process = subprocess.Popen(
                self.command("op", "submit", "--kind", kind, "--model", model, "--input",
                             vector, "--accounts", accounts, "--account-index",
                             str(SUBMITTING_ACCOUNT), "--ttl", str(ttl), "--timeout", "240",
                             "--watch", "--json"),
                stdin=subprocess.DEVNULL, stdout=file, stderr=log, start_new_session=True)
        submission = Submission(process, kind, name, expected, output)
        self.submissions.append(submission)
        self.running.append(submission)
        return submission

    def tick(self):
        """Called whenever the run looks at its nodes."""
        self.running = [submission for submission in self.running if not submission.poll()]
        if self.next_at is None or time.monotonic() < self.next_at or len(self.running) >= 8:
            return
        self.next_at = time.monotonic() + self.options.operation_seconds
        self.submit()

    # Faults

    def kill_executor(self):
        """kill -9 of an executor that has proven some of the parts; a standby finishes."""
        network = self.network
        network.step("a larger model, and kill -9 of its executor in the middle of proving it")
        model = os.path.join(network.data, "large.model")
        made = subprocess.run(
            [self.options.binary, "op", "make-model", "--widths",
             ",".join(map(str, LARGE_WIDTHS)), "--seed", str(LARGE_SEED), model],
            capture_output=True, text=True, check=False)
        if made.returncode != 0:
            network.check("a model is made", False, made.stderr.strip())
            return
        vector = os.path.join(network.data, "large.input")
        stream = b"".join(
            hashlib.sha256(b"vector" + struct.pack("<Q", n)).digest() for n in range(16))
        with open(vector, "wb") as file:
            file.write(vector_file(stream[:LARGE_WIDTHS[0]]))
        submission = self.submit(model, vector, "large model", None, ttl=75)
        victim = None
        deadline = time.monotonic() + 60
        while victim is None and time.monotonic() < deadline:
            submission.poll()
            for node in self.executors:
                for job in (self.proofs(node).get("executor") or {}).get("jobs", []):
                    if (job["operation"] == submission.operation and job["proven"] >= 1
                            and job["proven"] < job["parts"]):
                        victim, proven, parts = node, job["proven"], job["parts"]
            time.sleep(0.05)
        if victim is None:
            network.check("an executor is seen proving", False, f"{submission.last}")
            return
        victim.kill()
        victim.state, victim.peers, victim.mesh = "killed", 0, 0
        network.step(f"kill -9 {victim.name}, which had proven {proven} of {parts} parts")
        self.chain.wait(lambda: submission.poll() and submission not in self.running, 240)
        commitment = self.operation(submission.operation).get("commitment") or {}
        keys = {node.name: self.keys.get(node.name) for node in self.executors}
        network.check(
            "a standby finishes what a killed executor began",
            submission.status == 0 and commitment.get("executor") not in (None, keys[victim.name]),
            f"settled after {submission.last.get('seconds', 0):.1f} s" if submission.status == 0
            else f"{submission.last}")
        victim.start()
        self.chain.wait(lambda: victim.state == "up", 30)

    def operation(self, name):
        try:
            return self.entrance.call("chorale_operation", id=name)
        except (OSError, ValueError, self.network.refusal):
            return {}

    # The end

    def finish(self):
        network = self.network
        self.next_at = None
        self.chain.wait(lambda: not self.running, 150)
        for submission in self.running:
            submission.process.kill()
            submission.poll()
        settled = [s for s in self.submissions if s.status == 0]
        right = [s for s in settled if s.expected is None or s.last.get("largest") == s.expected]
        times = sorted(s.last.get("seconds", 0) for s in settled
                       if s.expected is not None and s.kind == PROVEN)
        middle = times[len(times) // 2] if times else 0
        network.check(
            "operations are executed, certified and settled",
            bool(self.submissions) and len(settled) == len(self.submissions),
            f"{len(settled)} of {len(self.submissions)}"
            + (f", p50 {middle:.1f} s, longest {times[-1]:.1f} s" if times else ""))
        network.check(
            "their outputs are what the model says", len(right) == len(settled) and bool(settled),
            f"{len(right)} of {len(settled)}")
        judged = [s for s in self.submissions if s.kind == JUDGED]
        justified = [s.phases["justified"] for s in judged if s.phases.get("justified")]
        if judged:
            network.check(
                "a committee executes again what has no proofs", len(justified) == len(judged),
                f"{len(justified)} of {len(judged)}"
                + (f", safe after {min(justified):.1f} s" if justified else ""))
        self.work()
        if self.options.silent:
            self.silence()
        if self.options.garbage_prover:
            self.garbage()

    def work(self):
        """What each node did for proofs, beside what everybody would have to."""
        rows = [f"    {'name':<12} {'parts':>6} {'verified':>9} {'of all':>7} {'votes':>6}"
                f" {'certificates':>13} {'executed':>9} {'proven':>7}"]
        totals = {}
        for node in self.network.nodes:
            proofs = self.proofs(node)
            if not proofs:
                continue
            totals[node.name] = proofs
            executor = proofs.get("executor") or {}
            seen, verified = proofs.get("partsSeen", 0), proofs.get("verifications", 0)
            share = f"{100 * verified / seen:.0f} %" if seen else "-"
            rows.append(
                f"    {node.name:<12} {seen:>6} {verified:>9} {share:>7}"
                f" {proofs.get('votesPublished', 0):>6} {proofs.get('certificatesMade', 0):>13}"
                f" {executor.get('executed', '-'):>9} {executor.get('proven', '-'):>7}")
        self.report["proofs"] = totals
        self.network.say("\n".join(rows))
        count = len(self.chain.validators)
        if count <= 32:
            self.network.say(
                f"    {count} validators are all asked about each part; of 100 each verifies 32 %,"
                " of 1,000 3.2 % (docs/subproofs.md)")

    def silence(self):
        silent = [node for node in self.network.nodes if getattr(node, "is_silent", False)]
        said = {node.name: self.proofs(node).get("votesPublished", 0) for node in silent}
        self.network.check(
            "silent validators hold nothing up", not any(said.values()),
            ", ".join(f"{name} published {count} votes" for name, count in said.items()))

    def garbage(self):
        liar = self.executors[0]
        rejected = max(
            (self.proofs(node).get("operationsRejected", 0) for node in self.chain.validators),
            default=0)
        bond = self.bond(liar)
        self.network.check(
            "a prover of garbage is found out and loses its bond", rejected >= 1 and not bond,
            f"{rejected} commitment{'s' if rejected != 1 else ''} rejected,"
            f" {liar.name} has {'no bond' if not bond else f'{bond} gwei'} left")

    def begin(self):
        self.register()
        self.keys = {
            node.name: (self.proofs(node).get("executor") or {}).get("key")
            for node in self.executors}
        if not self.network.failed:
            self.start()

    def stop(self):
        for submission in self.running:
            if submission.process.poll() is None:
                submission.process.kill()
