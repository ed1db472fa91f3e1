"""Executes a block from its witness by Ethereum's official executable specification.

One JSON object on standard input (`block`, `witness`, `chainId`, `fork`), one on standard output (`status`,
`stateRoot`, `receiptsRoot`, `validationError`): what `chorale witness compare --with spec=exec:…` asks.

The rules are those of the package `ethereum-execution`, by its own `state_transition`. Only its state is
given another ground: it reads what the witness proves, and its root is that of the witness's trie with the
changes. Both roots of the header are withheld, so they are recorded where the specification would compare.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any, Dict

from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U64, U256, Uint
from partial_trie import EMPTY_ROOT, Incomplete, PartialTrie, keccak256


class MissingCode(bytes):
    """A code that the witness does not have, of which only the hash is known."""

    def __new__(cls, code_hash: bytes) -> "MissingCode":
        code = super().__new__(cls, b"missing " + code_hash)
        code.code_hash = code_hash
        return code


class Accounts(dict):
    """Accounts by their address: changed ones here, others as the witness has them."""

    def __init__(self, ground: "Ground", changed: Dict[Any, Any] = {}) -> None:
        super().__init__(changed)
        self.ground = ground

    def __copy__(self) -> "Accounts":
        return Accounts(self.ground, self)

    def __contains__(self, address: Any) -> bool:
        return True

    def __delitem__(self, address: Any) -> None:
        self[address] = None

    def get(self, address: Any, default: Any = None) -> Any:
        found = super().get(address, self)
        return self.ground.account(address) if found is self else found


class Slots(dict):
    """Slots of an account: changed ones here, others as the witness has them."""

    def __init__(self, ground: "Ground", address: bytes, changed: Dict[Any, Any] = {}) -> None:
        super().__init__(changed)
        self.ground, self.address = ground, address

    def __copy__(self) -> "Slots":
        return Slots(self.ground, self.address, self)

    def __contains__(self, key: Any) -> bool:
        return True

    def __delitem__(self, key: Any) -> None:
        self[key] = U256(0)

    def __eq__(self, other: object) -> bool:
        # Whether nothing is left is for the trie to say.
        return self is other

    def get(self, key: Any, default: Any = None) -> Any:
        found = super().get(key)
        return self.ground.slot(self.address, key) if found is None else found


class Storages(dict):
    """Tries of slots by address. One that is destroyed has no ground any more."""

    def __init__(self, ground: "Ground") -> None:
        super().__init__()
        self.ground = ground
        self.destroyed: set = set()

    def copied(self) -> "Storages":
        other = Storages(self.ground)
        for address, trie in self.items():
            dict.__setitem__(other, address, self.ground.copy_trie(trie))
        other.destroyed = set(self.destroyed)
        return other

    def __contains__(self, address: Any) -> bool:
        return self.get(address) is not None

    def __getitem__(self, address: Any) -> Any:
        return self.get(address)

    def __delitem__(self, address: Any) -> None:
        self.pop(address, None)
        self.destroyed.add(address)

    def get(self, address: Any, default: Any = None) -> Any:
        found = super().get(address)
        if found is None and address not in self.destroyed:
            if self.ground.storage_root(address) != EMPTY_ROOT:
                found = self.ground.Trie(True, U256(0), Slots(self.ground, address))
                self[address] = found
        return found if found is not None else default


class Ground:
    """What the witness proves of the state before the block."""

    def __init__(self, witness: Dict[str, Any], root: bytes, state: Any, types: Any) -> None:
        def indexed(name: str) -> Dict[bytes, bytes]:
            parts = [bytes.fromhex(part[2:]) for part in witness[name]]
            return {keccak256(part): part for part in parts}

        self.nodes, self.codes = indexed("state"), indexed("codes")
        self.codes[keccak256(b"")] = b""
        self.pre_root = root
        self.trie = PartialTrie(root, self.nodes)
        self.Trie, self.copy_trie, self.types = state.Trie, state.copy_trie, types
        self.known: Dict[bytes, Any] = {}

    def fields(self, address: bytes) -> Any:
        if address not in self.known:
            found = self.trie.get(keccak256(address))
            self.known[address] = None if found is None else rlp.decode(found)
        return self.known[address]

    def account(self, address: bytes) -> Any:
        fields = self.fields(address)
        if fields is None:
            return None
        nonce, balance, _, code_hash = fields
        code_hash = bytes(code_hash)
        return self.types.Account(
            nonce=Uint(int.from_bytes(nonce, "big")),
            balance=U256(int.from_bytes(balance, "big")),
            code=self.codes.get(code_hash, MissingCode(code_hash)),
        )

    def storage_root(self, address: bytes) -> bytes:
        fields = self.fields(address)
        return EMPTY_ROOT if fields is None else bytes(fields[2])

    def slot(self, address: bytes, key: bytes) -> U256:
        found = PartialTrie(self.storage_root(address), self.nodes).get(keccak256(key))
        return U256(0) if found is None else U256(int.from_bytes(rlp.decode(found), "big"))

    def root_after(self, state: Any) -> bytes:
        storages, accounts = state._storage_tries, state._main_trie._data
        trie = PartialTrie(self.pre_root, self.nodes)
        for address, trie_of_slots in storages.items():
            if any(True for _ in dict.items(trie_of_slots._data)) or address in storages.destroyed:
                accounts.setdefault(address, self.account(address))
        # Changes before removals, as witnesses are made.
        for address, account in sorted(accounts.items(), key=lambda entry: entry[1] is None):
            encoded = None
            if account is not None:
                encoded = self.types.encode_account(account, self.new_storage_root(storages, address))
            trie.set(keccak256(address), encoded)
        return trie.root()

    def new_storage_root(self, storages: Storages, address: bytes) -> bytes:
        base = EMPTY_ROOT if address in storages.destroyed else self.storage_root(address)
        changed = dict.get(storages, address)
        trie = PartialTrie(base, self.nodes)
        slots = dict(changed._data) if changed is not None else {}
        for key, value in sorted(slots.items(), key=lambda entry: entry[1] == 0):
            trie.set(keccak256(key), rlp.encode(value) if value else None)
        return trie.root()


def modules(package: Any) -> Any:
    yield package
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(info.name)


def execute(case: Dict[str, Any]) -> Dict[str, str]:
    package = importlib.import_module("ethereum.forks." + case["fork"].lower())
    loaded = list(modules(package))

    def replace(name: str, function: Any) -> None:
        for module in loaded:
            if name in vars(module):
                setattr(module, name, function)

    name = package.__name__
    fork, state, trie, blocks, types = (
        importlib.import_module(f"{name}.{part}")
        for part in ("fork", "state", "trie", "blocks", "fork_types")
    )
    block = rlp.decode_to(blocks.Block, bytes.fromhex(case["block"][2:]))
    headers = [
        rlp.decode_to(blocks.Header, bytes.fromhex(header[2:]))
        for header in case["witness"]["headers"]
    ]
    headers.sort(key=lambda header: header.number)
    if not headers:
        raise Incomplete("there is no parent")
    ground = Ground(case["witness"], bytes(headers[-1].state_root), trie, types)

    # The state reads the witness.
    spec_state = state.State()
    spec_state._main_trie = trie.Trie(True, None, Accounts(ground))
    spec_state._storage_tries = Storages(ground)
    begin = state.begin_transaction

    def begin_transaction(state: Any, *rest: Any) -> None:
        begin(state, *rest)
        accounts, _ = state._snapshots[-1]
        state._snapshots[-1] = (accounts, state._storage_tries.copied())

    replace("begin_transaction", begin_transaction)

    # Of a missing code, only the hash can be asked.
    spec_keccak = trie.keccak256
    replace(
        "keccak256",
        lambda data: spec_keccak(data) if not isinstance(data, MissingCode) else Bytes32(data.code_hash),
    )
    runtime = importlib.import_module(f"{name}.vm.runtime")
    jumps = runtime.get_valid_jump_destinations

    def valid_jumps(code: Any) -> Any:
        if isinstance(code, MissingCode):
            raise Incomplete(f"code 0x{code.code_hash.hex()} is missing")
        return jumps(code)

    replace("get_valid_jump_destinations", valid_jumps)

    # What is withheld is recorded where it would be compared.
    found: Dict[str, str] = {}
    apply_body, root = fork.apply_body, fork.root
    outputs = []

    def applied(*arguments: Any, **named: Any) -> Any:
        outputs.append(apply_body(*arguments, **named))
        return outputs[-1]

    def recorded_root(tree: Any, *rest: Any) -> Any:
        value = root(tree, *rest)
        if outputs and tree is outputs[-1].receipts_trie:
            found["receiptsRoot"] = "0x" + bytes(value).hex()
            return block.header.receipt_root
        return value

    def recorded_state_root(state: Any) -> Any:
        found["stateRoot"] = "0x" + ground.root_after(state).hex()
        return block.header.state_root

    fork.apply_body, fork.root, fork.state_root = applied, recorded_root, recorded_state_root
    before = [fork.Block(header, (), (), ()) for header in headers]
    chain = fork.BlockChain(before, spec_state, U64(case["chainId"]))
    fork.state_transition(chain, block)
    return found


def main() -> None:
    case = json.load(sys.stdin)
    answer: Dict[str, Any] = {"status": "VALID", "validationError": None}
    try:
        answer.update(execute(case))
    except Exception as error:
        # The specification's own exceptions, and those of its codecs: the block or the witness is wrong.
        text = str(error) or "the specification gives no reason"
        answer = {"status": "INVALID", "validationError": f"{type(error).__name__}: {text}"}
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)
    main()
