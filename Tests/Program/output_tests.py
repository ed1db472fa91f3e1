"""What commands print, and where."""

import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import harness
from harness import ProgramTest, chorale, until

PEER = "12D3KooWLfGgyCNwUhArMwPaNDoD8gXwDzXkzrdUzQZ6KQJLQvZo"


def commands(path=()):
    """Every command of the program, found through its own help."""
    text = chorale(*path, "--help").output
    names = re.findall(r"^  ([a-z][a-z-]*) {2,}", text.partition("SUBCOMMANDS:")[2], re.M)
    names = [name for name in names if name != "help"]
    if not names:
        return [path]
    return [path] + [leaf for name in names for leaf in commands((*path, name))]


class HelpTests(ProgramTest):
    def test_every_command_has_help_with_an_example_that_it_parses(self):
        found = commands()
        self.assertGreater(len(found), 30)
        for path in found:
            with self.subTest(" ".join(path)):
                outcome = chorale(*path, "--help")
                self.assertEqual(outcome.status, 0, str(outcome))
                self.assertEqual(outcome.error, "")
                examples = re.findall(r"^ *(?:[^|\n]*\| )?chorale (.*)$",
                                      outcome.output.partition("EXAMPLE")[2].partition("\n\n")[0],
                                      re.M)
                self.assertTrue(examples, outcome.output)
                for example in examples:
                    # Help is asked for behind it, so that nothing is done.
                    parsed = chorale(*example.split(), "--help")
                    self.assertEqual(parsed.status, 0, f"{example}\n{parsed}")

    def test_completions_are_scripts_that_complete(self):
        for shell in ("bash", "zsh"):
            script = self.file(
                f"completions.{shell}", chorale("--generate-completion-script", shell).output)
            program = shutil.which(shell)
            if program is None:
                print(f"(the completions of {shell} are not checked: it is not installed)")
                continue
            checked = subprocess.run([program, "-n", script], capture_output=True, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, b""))
        script = self.path("completions.bash")
        rows = [
            (["chorale", "ge"], "genesis"), (["chorale", "admin", "pe"], "peers"),
            (["chorale", "run", "--max"], "--max-peers"), (["chorale", "dht", ""], "find-peer"),
            (["chorale", "gossip", "publish", "--to"], "--topic"),
        ]
        for words, expected in rows:
            line = (
                f'source {script}; COMP_WORDS=({" ".join(word or chr(39) * 2 for word in words)});'
                f' COMP_CWORD={len(words) - 1}; COMP_LINE="{" ".join(words)}";'
                f' COMP_POINT=${{#COMP_LINE}}; _chorale chorale "{words[-1]}" "{words[-2]}"; printf "%s\\n" "${{COMPREPLY[@]}}"')
            done = subprocess.run(
                ["bash", "-c", line], capture_output=True, text=True, timeout=10, check=False,
                env=harness.environment(
                    PATH=os.path.dirname(harness.binary) + ":" + os.environ["PATH"]))
            self.assertIn(expected, [word.strip() for word in done.stdout.split("\n")], str(done))


class OutputTests(ProgramTest):
    def test_json_is_one_document(self):
        node, other = self.node("a", "--gossip-topics", "t"), self.node("b", "--gossip-topics", "t")
        self.assertEqual(node.admin("admin", "add-peer", "--json", other.address).document, True)
        file = self.file("file", "content")
        body = node.admin("body", "publish", "--json", file).document["root"]
        cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
        rows = [
            ("admin", "info"), ("admin", "peers"), ("admin", "mesh"), ("admin", "scores"),
            ("admin", "scores", other.id), ("admin", "dht"), ("admin", "limits"),
            ("admin", "counters"), ("admin", "backup", self.path("copy")),
            ("admin", "publish-prover"), ("admin", "find-prover", node.id),
            ("gossip", "publish", "--topic", "t", file), ("body", "list"), ("body", "get", body),
            ("dht", "provide", cid), ("dht", "find-peer", other.id),
            ("admin", "remove-peer", other.id),
        ]
        for row in rows:
            with self.subTest(" ".join(row)):
                outcome = until("an answer", lambda: self.settled(node.admin(*row, "--json")))
                self.assertEqual(outcome.error, "")
                self.assertEqual(outcome.output.count("\n"), 1, str(outcome))
                json.loads(outcome.output)
        providers = until("a provider", lambda: self.settled(
            other.admin("dht", "providers", cid, "--json")))
        self.assertEqual([peer["id"] for peer in providers.document], [node.id])
        for row in [
            ("key", "generate", self.path("k.key")), ("key", "inspect", self.path("k.key")),
            ("init", "--data-dir", self.path("c")),
            ("genesis", "--validators", "1", "--output", self.path("net")),
            ("perf", other.address, "--download", "100000"),
        ]:
            with self.subTest(" ".join(row)):
                outcome = chorale(*row, "--json")
                self.assertEqual(outcome.status, 0, str(outcome))
                json.loads(outcome.output)
        # A stream: a document a line, the last one a summary.
        lines = chorale("ping", other.address, "-c", "2", "--json").output.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(json.loads(lines[-1])["count"], 2)

    def settled(self, outcome):
        """Nodes that have just met know too little of each other for some questions."""
        return outcome if outcome.status == 0 else None

    def test_watching_repeats(self):
        node = self.node()
        for flags, pattern in [((), rb"^listening "), (("--json",), rb'^\{"id"')]:
            watcher = subprocess.Popen(
                [harness.binary, "admin", "info", "--watch", "--interval", "1", *flags,
                 "--admin-socket", node.socket],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=harness.environment())
            try:
                os.set_blocking(watcher.stdout.fileno(), False)
                text = b""
                deadline = time.monotonic() + 10
                while len(re.findall(pattern, text, re.M)) < 3 and time.monotonic() < deadline:
                    select.select([watcher.stdout], [], [], 1)
                    text += watcher.stdout.read() or b""
                self.assertEqual(len(re.findall(pattern, text, re.M)), 3, text)
                # No terminal, so nothing that steers one.
                self.assertNotIn(b"\x1b", text)
            finally:
                watcher.kill()
                watcher.communicate()

    def test_watching_a_node_that_goes_away_ends(self):
        node = self.node()
        watcher = subprocess.Popen(
            [harness.binary, "admin", "peers", "--watch", "--interval", "1",
             "--admin-socket", node.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=harness.environment())
        watcher.stdout.readline()
        node.signal(signal.SIGKILL)
        _, error = watcher.communicate(timeout=10)
        self.assertEqual(watcher.returncode, 1)
        self.assertIn(b"the node closed the connection", error)

    def test_ctrl_c_ends_what_follows(self):
        node = self.node()
        for command in (("gossip", "subscribe", "--topic", "t"), ("admin", "events"),
                        ("body", "watch"), ("admin", "info", "--watch")):
            with self.subTest(" ".join(command)):
                follower = subprocess.Popen(
                    [harness.binary, *command, "--admin-socket", node.socket],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env=harness.environment(),
                    # What a shell starts in the background inherits that interrupts are ignored.
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                time.sleep(0.3)
                follower.send_signal(signal.SIGINT)
                _, error = follower.communicate(timeout=5)
                self.assertEqual(follower.returncode, -signal.SIGINT)
                self.assertEqual(error, b"")
        until("no subscription to be left", lambda: not any(
            topic["topic"] == "t" and topic["subscribed"]
            for topic in node.admin("admin", "mesh", "--json").document))

    def test_a_reader_that_leaves_ends_it_quietly(self):
        node = self.node()
        line = (f"{harness.binary} admin counters --all --watch --interval 1"
                f" --admin-socket {node.socket} | head -n 1")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True,
                              timeout=10, check=False, env=harness.environment())
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout.startswith(b"COUNTER"))

    def test_closed_standard_files_do_no_harm(self):
        node = self.node()
        for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            line = f"exec {harness.binary} admin info --admin-socket {node.socket} {closing}"
            done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=10,
                                  check=False, env=harness.environment())
            # Where the result cannot be written, the command cannot have succeeded.
            self.assertEqual(done.returncode, 1 if ">&-" in closing.split() else 0,
                             f"{closing}: {done}")
        full = subprocess.run(
            ["bash", "-c", f"exec {harness.binary} --help > /dev/full"], capture_output=True,
            timeout=10, check=False, env=harness.environment())
        self.assertEqual(full.returncode, 1)
        self.assertIn(b"standard output", full.stderr)

    def test_input_that_is_not_text_or_not_there(self):
        node = self.node()
        bad = b"\xff\xfe\x00bad".replace(b"\x00", b"")
        for arguments in ([b"admin", b"add-peer", bad], [b"dht", b"find-peer", bad],
                          [b"body", b"publish", bad], [b"dht", b"get", bad],
                          [b"key", b"inspect", bad], [bad]):
            flags = [] if arguments[0] in (b"key", bad) else [
                b"--admin-socket", node.socket.encode()]
            done = subprocess.run([harness.binary.encode(), *arguments, *flags],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=10,
                                  check=False, env=harness.environment())
            self.assertIn(done.returncode, (1, 2), done)
            self.assertTrue(done.stderr.startswith(b"chorale: "), done)
        rows = [
            (("gossip", "publish", "--topic", "t", "/nowhere"), 1, "/nowhere"),
            (("gossip", "publish", "--topic", "t", self.directory), 1, self.directory),
            (("gossip", "publish", "--topic", "t", self.file("big", bytes(1 << 20) + b"x")), 1,
             "1048576"),
            (("gossip", "publish", "--topic", "x" * 300, self.file("f", "x")), 1, "topic"),
            (("body", "publish", "--kind", "poem", self.path("f")), 1, "one of"),
            (("body", "publish", self.file("empty", "")), 1, "empty"),
            (("body", "publish", self.path("none")), 1, "none"),
            (("body", "get", "12ab"), 1, "32 bytes in hex"),
            (("body", "get", "00" * 32), 1, "00" * 4),
            (("dht", "provide", "nonsense"), 1, "CID"),
            (("dht", "find-peer", "nonsense"), 1, "peer id"),
            (("dht", "get", "0xzz"), 1, "hex"),
            (("admin", "add-peer", "/ip4/127.0.0.1/tcp/1"), 1, "/p2p/"),
            (("admin", "add-peer", f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}"), 1, "127.0.0.1"),
            (("admin", "remove-peer", "x" * 5000), 1, "peer"),
            (("admin", "scores", PEER), 1, PEER),
            (("admin", "find-prover", PEER), 1, ""),
            (("admin", "backup", self.directory), 1, "exists"),
        ]
        for arguments, status, words in rows:
            with self.subTest(" ".join(arguments)[:60]):
                self.assertFails(node.admin(*arguments), status, words)

    def test_dead_peers_and_wrong_ones(self):
        node = self.node()
        transport = node.address.split("/p2p/")[0]
        rows = [
            ("/ip4/127.0.0.1/tcp/1", 1, "refused"),
            (f"{transport}/p2p/{PEER}", 1, node.id),
            ("/dns/nowhere.invalid/tcp/4001", 1, "nowhere.invalid"),
            ("/ip4/127.0.0.1/udp/4001/quic-v1", 2, "TCP"),
            ("/ip4/127.0.0.1", 2, "TCP"),
        ]
        for address, status, words in rows:
            with self.subTest(address):
                self.assertFails(chorale("ping", address, "-c", "1"), status, words)

    def test_empty_arguments_are_named(self):
        for arguments, words in (
            (("init", "--data-dir", ""), "--data-dir"), (("run", "--data-dir", ""), "--data-dir"),
            (("key", "generate", ""), "generate"), (("ping", ""), "ping"), (("",), "chorale"),
            (("admin", "info", "--admin-socket="), "--admin-socket"),
            (("genesis", "--validators", "1", "--output", ""), "--output"),
        ):
            with self.subTest(" ".join(arguments)):
                self.assertFails(chorale(*arguments), 2, f"`{words}", "empty" if "" in arguments
                                 else "value")

    def test_values_at_the_edges(self):
        for arguments in (
            ("ping", "/ip4/127.0.0.1/tcp/1", "-c", "-1"),
            ("ping", "/ip4/127.0.0.1/tcp/1", "-c", "99999999999999999999"),
            ("perf", "/ip4/127.0.0.1/tcp/1", "--upload", "18446744073709551615"),
            ("perf", "/ip4/127.0.0.1/tcp/1", "--upload", "-1"),
            ("genesis", "--validators", "-1", "--output", self.path("n")),
            ("genesis", "--validators", "1000", "--base-port", "65000", "--output", self.path("n")),
            ("genesis", "--validators", "1", "--base-port", "-9223372036854775808", "--output",
             self.path("n")),
            ("genesis", "--validators", "1", "--base-port", "9223372036854775807", "--output",
             self.path("n")),
            ("genesis", "--validators", "1", "--name", "a\nb", "--output", self.path("n")),
            ("genesis", "--validators", "1", "--genesis-time", "-1", "--output", self.path("n")),
            ("admin", "info", "--watch", "--interval", "0", "--data-dir", self.directory),
            ("admin", "info", "--watch", "--interval", "99999999999", "--data-dir", self.directory),
            ("key", "generate", "--type", "rsa", self.path("k")),
        ):
            with self.subTest(" ".join(arguments)):
                outcome = chorale(*arguments)
                self.assertFails(outcome, 2)
        self.assertFalse(glob.glob(self.path("n*")))

    def test_a_terminal_gets_a_table_that_stands_still(self):
        node = self.node()
        master, slave = pty.openpty()
        watcher = subprocess.Popen(
            [harness.binary, "admin", "peers", "--watch", "--interval", "1", "--admin-socket",
             node.socket],
            stdin=slave, stdout=slave, stderr=slave, env=harness.environment())
        os.close(slave)
        try:
            text = b""
            deadline = time.monotonic() + 10
            while text.count(b"\x1b[H") < 2 and time.monotonic() < deadline:
                if select.select([master], [], [], 1)[0]:
                    text += os.read(master, 65536)
            self.assertGreaterEqual(text.count(b"\x1b[H\x1b[2J"), 2, text)
        finally:
            watcher.kill()
            watcher.wait()
            os.close(master)


class HTTPTests(ProgramTest):
    def test_each_address_serves_its_own_pages(self):
        def get(address, path):
            try:
                with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()

        node = self.node(
            "node", "--metrics-address", "127.0.0.1:0", "--http-address", "localhost:0")
        metrics, http = [line.split("address=")[1].split()[0]
                         for line in node.log.splitlines() if "serving HTTP" in line]
        until("the first publication", lambda: get(http, "/health")[0] == 200, 5)
        self.assertEqual(get(http, "/health"), (200, b'{"status":"ok"}\n'))
        told = json.loads(get(http, "/info")[1])
        self.assertEqual(told["id"], node.id)
        self.assertEqual(set(told), set(node.info))
        self.assertEqual(get(http, "/metrics")[0], 404)
        self.assertEqual(get(metrics, "/info")[0], 404)
        self.assertIn(b"chorale_store_requests_total", get(metrics, "/metrics")[1])
