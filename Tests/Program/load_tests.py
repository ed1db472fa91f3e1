"""`chorale load` against a chain that is played: blocks of what was sent, nonces, refusals."""

import http.server
import json
import threading
import time

from harness import ProgramTest, chorale
from keccak import keccak256, rlp_items


class PlayedChain:
    """A JSON-RPC server that puts what it is sent into a block every fifth of a second."""

    def __init__(self, includes=True, refuses=None, chunked=False, closes=False):
        self.includes, self.refuses = includes, refuses
        self.blocks = [[]]
        self.pool, self.nonces, self.kinds, self.faults = [], {}, [], []
        self.contracts = {}
        self.lock = threading.Lock()
        played = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = json.dumps(played.answer(json.loads(body))).encode()
                self.send_response(200)
                if closes:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                if chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(answer), 7):
                        part = answer[start:start + 7]
                        self.wfile.write(b"%x;a=b\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.running = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        threading.Thread(target=self.produce, daemon=True).start()

    def end(self):
        self.running = False
        self.server.shutdown()
        self.server.server_close()

    def produce(self):
        while self.running:
            time.sleep(0.2)
            with self.lock:
                self.blocks.append(self.pool if self.includes else [])
                if self.includes:
                    self.pool = []

    def answer(self, request):
        try:
            with self.lock:
                result = getattr(self, request["method"])(*request["params"])
            return {"jsonrpc": "2.0", "id": request["id"], "result": result}
        except ValueError as error:
            return {"jsonrpc": "2.0", "id": request["id"],
                    "error": {"code": -32000, "message": str(error)}}

    # Methods

    def eth_chainId(self):
        return hex(1337)

    def eth_blockNumber(self):
        return hex(len(self.blocks) - 1)

    def eth_getBalance(self, address, tag):
        # The fee recipients of the genesis have nothing.
        return hex(10 ** 24) if address in self.funded else "0x0"

    def eth_getTransactionCount(self, address, tag):
        return hex(self.nonces.get(address, 0))

    def eth_getBlockByNumber(self, number, full):
        number = int(number, 16)
        if number >= len(self.blocks):
            return None
        block = self.blocks[number]
        return {"number": hex(number), "hash": hex(number), "gasUsed": hex(21000 * len(block)),
                "baseFeePerGas": hex(7), "transactions": [hash for hash, _ in block]}

    def eth_getTransactionReceipt(self, hash):
        return {"contractAddress": self.contracts.get(hash)}

    def eth_sendRawTransaction(self, text):
        data = bytes.fromhex(text[2:])
        assert data[0] == 2, "EIP-1559"
        items = rlp_items(data[1:])
        chain, nonce, tip, fee, gas = (int.from_bytes(item, "big") for item in items[:5])
        if self.refuses:
            raise ValueError(self.refuses)
        # Whose it is follows from the signature; here from its line of nonces, which must have no gap.
        if chain != 1337 or fee < tip or gas < 21000 or len(items) != 12:
            self.faults.append(text)
        hash = "0x" + keccak256(data).hex()
        kind = "create" if not items[5] else "call" if items[6] == b"" else "transfer"
        self.kinds.append((kind, items[5].hex()))
        if kind == "create":
            self.contracts[hash] = "0x" + "c0" * 20
        self.seen.append(nonce)
        self.pool.append((hash, nonce))
        return hash

    funded = set()
    seen = []


class LoadTests(ProgramTest):
    def setUp(self):
        super().setUp()
        made = chorale("genesis", "--validators", "1", "--accounts", "3", "--seed", "7",
                       "--output", self.path("net"), "--json")
        self.assertEqual(made.status, 0, str(made))
        self.accounts = self.path("net", "accounts.yaml")
        with open(self.accounts, encoding="utf-8") as file:
            lines = file.read().splitlines()
        addresses = [line.split('"')[1] for line in lines if "address:" in line]
        self.assertEqual(len(addresses), 4)
        self.funded = set(addresses[:3])

    def chain(self, **options):
        chain = PlayedChain(**options)
        chain.funded, chain.seen = self.funded, []
        self.addCleanup(chain.end)
        return chain

    def load(self, chain, *flags):
        return chorale("load", "--rpc", chain.url, "--accounts", self.accounts, "--json", *flags)

    def test_sends_at_the_rate_and_reports(self):
        for options in ({}, {"chunked": True}, {"closes": True}):
            chain = self.chain(**options)
            outcome = self.load(chain, "--rate", "30", "--duration", "2")
            self.assertEqual(outcome.status, 0, str(outcome))
            report = outcome.document
            self.assertEqual(report["accounts"], 3)
            self.assertTrue(50 <= report["sent"] <= 62, report)
            self.assertEqual(report["included"], report["sent"])
            self.assertEqual(report["refused"], {})
            self.assertEqual(report["gasUsed"], 21000 * report["sent"])
            self.assertTrue(0 < report["latencyMilliseconds"]["p50"] <= 400, report)
            self.assertEqual(chain.faults, [])
            # Three lines of nonces without a gap, each transaction once.
            count = report["sent"]
            lines = [(count + 2 - index) // 3 for index in range(3)]
            self.assertEqual(sorted(chain.seen), sorted(n for c in lines for n in range(c)))
            hashes = [hash for block in chain.blocks for hash, _ in block]
            self.assertEqual(len(set(hashes)), count)
            self.assertTrue(all(kind == "transfer" for kind, _ in chain.kinds))

    def test_a_mix_creates_and_calls(self):
        chain = self.chain()
        outcome = self.load(chain, "--rate", "60", "--duration", "3", "--mix")
        self.assertEqual(outcome.status, 0, str(outcome))
        kinds = [kind for kind, _ in chain.kinds]
        self.assertEqual(kinds[0], "create")
        self.assertTrue(kinds.count("create") <= 4)
        self.assertTrue(kinds.count("call") > 20, kinds)
        self.assertTrue(all(to == "c0" * 20 for kind, to in chain.kinds if kind == "call"))

    def test_what_waits_is_bounded(self):
        chain = self.chain(includes=False)
        outcome = chorale("load", "--rpc", chain.url, "--accounts", self.accounts,
                          "--rate", "0", "--duration", "0.5", "--patience", "1")
        self.assertEqual(outcome.status, 1)
        self.assertIn("none of 48 transactions was included", outcome.error)
        self.assertEqual(len(chain.seen), 3 * 16)

    def test_refusals_are_counted_by_reason(self):
        chain = self.chain(refuses="the pool is full")
        outcome = self.load(chain, "--rate", "20", "--duration", "1")
        self.assertEqual(outcome.status, 1)
        report = json.loads(outcome.output)
        self.assertEqual(list(report["refused"]), ["the pool is full"])
        self.assertEqual(report["sent"], 0)
        self.assertIn("chorale: none of 0 transactions was included", outcome.error)

    def test_fails_in_words(self):
        self.assertFails(
            chorale("load", "--rpc", "http://127.0.0.1:1", "--accounts", self.accounts), 1,
            "http://127.0.0.1:1/: Connection refused")
        for url in ("127.0.0.1:8545", "https://a", "http://", "http://a:0", "http://a:b"):
            self.assertFails(
                chorale("load", "--rpc", url, "--accounts", self.accounts), 2, "--rpc must be")
        chain = self.chain()
        other = self.file("bad.yaml", "- name: a\n  privateKey: \"0x00\"\n")
        self.assertFails(
            chorale("load", "--rpc", chain.url, "--accounts", other), 1,
            "bad.yaml line 1: the account has no usable privateKey")
        chain.funded = set()
        self.assertFails(
            chorale("load", "--rpc", chain.url, "--accounts", self.accounts), 1,
            "none of the 4 accounts has a tenth of an ether")
