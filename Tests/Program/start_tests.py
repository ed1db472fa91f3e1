"""What keeps `chorale run` from starting is said in one line, with what to do."""

import os
import signal
import socket
import time

from harness import Node, ProgramTest, chorale, listening_socket, until


class StartTests(ProgramTest):
    def refused(self, directory, *flags, **variables):
        return chorale(
            "run", "--data-dir", directory, "--listen", "/ip4/127.0.0.1/tcp/0", *flags, **variables)

    def test_a_port_in_use_names_who_has_it_and_the_flag(self):
        directory = self.initialised()
        server, port = listening_socket()
        with server:
            outcome = chorale(
                "run", "--data-dir", directory, "--listen", f"/ip4/127.0.0.1/tcp/{port}")
        error = outcome.error.splitlines()
        # Log lines may come before it: the node had begun to start.
        self.assertEqual(outcome.status, 1, str(outcome))
        self.assertTrue(error[-1].startswith("chorale: "), str(outcome))
        for words in (f"/ip4/127.0.0.1/tcp/{port}", f"pid {os.getpid()}", "--listen"):
            self.assertIn(words, error[-1], str(outcome))
        self.assertFalse(os.path.exists(os.path.join(directory, "chorale.ipc")))

    def test_an_http_port_in_use_names_who_has_it_and_the_setting(self):
        directory = self.initialised()
        server, port = listening_socket()
        with server:
            for setting in ("metrics-address", "http-address"):
                outcome = self.refused(directory, f"--{setting}", f"127.0.0.1:{port}")
                self.assertEqual(outcome.status, 1, str(outcome))
                last = outcome.error.splitlines()[-1]
                for words in (f"127.0.0.1:{port}", f"pid {os.getpid()}", setting):
                    self.assertIn(words, last, str(outcome))

    def test_a_second_process_on_one_directory_names_the_first(self):
        node = self.node()
        outcome = self.refused(node.directory)
        self.assertFails(outcome, 1, node.directory, f"{node.process.pid}")
        # The first one did not notice.
        self.assertEqual(node.admin("admin", "info").status, 0)

    def test_without_init(self):
        self.assertFails(self.refused(self.path("none")), 1, "chorale init --data-dir")
        empty = self.path("empty")
        os.mkdir(empty)
        self.assertFails(self.refused(empty), 1, "no key at", "chorale init")
        self.assertFails(self.refused(self.file("file", "")), 1, "is not a directory")

    def test_keys_that_cannot_be_used(self):
        directory = self.initialised()
        key = os.path.join(directory, "identity.key")
        os.chmod(key, 0o644)
        self.assertFails(self.refused(directory), 1, key, "644", f"chmod 600 {key}")
        os.chmod(key, 0o600)
        whole = open(key, "rb").read()
        for content in (b"", b"hello", whole[:-1], whole + b"x", b"\xff" * 68, bytes(100_000)):
            with open(key, "wb") as file:
                file.write(content)
            self.assertFails(self.refused(directory), 1, key)
        os.remove(key)
        os.mkdir(key, mode=0o700)
        self.assertFails(self.refused(directory), 1, key)

    def test_configurations_that_cannot_be_used(self):
        directory = self.initialised()
        config = os.path.join(directory, "config.yaml")
        rows = [
            (b"max-peer: 3\n", 2, "line 1", "did you mean `max-peers`?"),
            (b"# a\nmax-peers: many\n", 2, "line 2", "a number from 1 to 10000"),
            (b"max-peers: 99999999999999999999999\n", 2, "line 1", "a number from 1 to 10000"),
            (b"listen: {a: b}\n", 2, "line 1"),
            (b"role: [prover\n", 2, "line 1"),
            (b"\xff\xfe\n", 1, "UTF-8"),
            (b"log-level: info\n" * 2, 2, "line 2", "first on line 1"),
            (b"x" * (2 << 20), 1, "limit"),
            (b"network: /nowhere\n", 2, "/nowhere"),
            (b"bootnodes: '@gone.txt'\n", 1, "gone.txt"),
        ]
        for content, status, *words in rows:
            with open(config, "wb") as file:
                file.write(content)
            self.assertFails(self.refused(directory), status, *words)

    def test_admin_sockets_that_cannot_be(self):
        directory = self.initialised()
        long = "/tmp/" + "p" * 120
        self.assertFails(self.refused(directory, "--admin-socket", long), 1, "107 bytes")
        self.assertFails(
            self.refused(directory, "--admin-socket", "/nowhere/a.ipc"), 1, "does not exist")
        plain = self.file("plain", "mine")
        self.assertFails(self.refused(directory, "--admin-socket", plain), 1, "is not a socket")
        self.assertEqual(open(plain).read(), "mine")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("living"))
            server.listen()
            outcome = self.refused(directory, "--admin-socket", self.path("living"))
        self.assertFails(outcome, 1, "another process answers")

    def test_unknown_flags_and_values_name_the_nearest(self):
        rows = [
            (("run", "--max-peer", "3"), "--max-peers"),
            (("run", "--bootnode", "x"), "--bootnodes"),
            (("genesis", "--validator", "3"), "--validators"),
            (("admin", "peers", "--jsn"), "--json"),
            (("gossip", "publsh"), "publish"),
            (("admin", "add-per"), "add-peer"),
            (("--verson",), "--version"),
        ]
        for arguments, nearest in rows:
            outcome = chorale(*arguments)
            self.assertFails(outcome, 2, nearest)

    def test_a_variable_that_is_nearly_a_setting_is_mentioned(self):
        directory = self.initialised()
        server, port = listening_socket()
        with server:
            outcome = chorale(
                "run", "--data-dir", directory, "--listen", f"/ip4/127.0.0.1/tcp/{port}",
                CHORALE_MAX_PEER="3")
        self.assertIn("nearest=CHORALE_MAX_PEERS", outcome.error)

    def test_a_node_that_finds_nobody_says_so(self):
        gone = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWLfGgyCNwUhArMwPaNDoD8gXwDzXkzrdUzQZ6KQJLQvZo"
        alone = self.node("alone", "--bootnodes", gone)
        first = self.node("first")
        until("a warning", lambda: "no peer is connected" in alone.log, 10)
        # Whoever begins a network waits for others and is not alone in this sense.
        self.assertNotIn("no peer is connected", first.log)

    def test_killed_and_started_again(self):
        node = self.node()
        node.signal(signal.SIGKILL)
        node.wait()
        # What a killed process leaves behind: a socket that nobody answers on.
        self.assertTrue(os.path.exists(node.socket))
        self.assertFails(node.admin("admin", "info"), 1, "no node answers", "chorale run")
        again = Node(node.directory)
        self.nodes.append(again)
        self.assertEqual(again.id, node.id)

    def test_a_body_and_a_peer_survive_kill_9(self):
        seed = self.node("seed")
        node = self.node("node", "--bootnodes", seed.address)
        body = self.file("body", os.urandom(700_000))
        published = node.admin("body", "publish", "--json", body)
        self.assertEqual(published.status, 0, str(published))
        root = published.document["root"]
        connected = lambda: node.admin("admin", "peers", "--json").document
        until("the bootnode as a peer", connected)
        until("the body at the other node", lambda: any(
            body["root"] == root and body["isComplete"]
            for body in seed.admin("body", "list", "--json").document))
        # The peer store is written every five seconds.

        time.sleep(6)
        node.signal(signal.SIGKILL)
        node.wait()
        node.flags = node.flags[:4]
        node.start()
        until("the peer without a bootnode", connected)
        read = node.admin("body", "get", root, "--output", self.path("copy"))
        self.assertEqual(read.status, 0, str(read))
        self.assertEqual(open(self.path("copy"), "rb").read(), open(body, "rb").read())
