"""A Merkle-Patricia trie of which only some nodes are known: reading, changing, and its root."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from Crypto.Hash import keccak
from ethereum_rlp import rlp

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")


class Incomplete(Exception):
    """A node or a code is needed that nobody has given."""


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=bytes(data)).digest()


def nibbles(key: bytes) -> List[int]:
    return [digit for byte in key for digit in (byte >> 4, byte & 15)]


class PartialTrie:
    """Nodes are None, a hash as bytes, [path, value] with a flag, [path, child] or a branch of 17.

    Decoded nodes are tuples ("leaf", path, value), ("extension", path, child), ("branch", children).
    """

    def __init__(self, root: bytes, nodes: Dict[bytes, bytes]) -> None:
        self.nodes = nodes
        self.tree: Any = None if root == EMPTY_ROOT else root

    def _node(self, node: Any) -> Any:
        if not isinstance(node, bytes):
            return node
        if node not in self.nodes:
            raise Incomplete(f"node 0x{node.hex()} is missing")
        return self._parsed(rlp.decode(self.nodes[node]))

    def _parsed(self, item: Any) -> Any:
        """A node from its RLP; a reference stays a hash."""
        if isinstance(item, (bytes, bytearray)):
            return bytes(item) if len(item) else None
        if len(item) == 17:
            return ("branch", [self._parsed(child) for child in item[:16]])
        digits = nibbles(bytes(item[0]))
        path = digits[1:] if digits[0] & 1 else digits[2:]
        if digits[0] & 2:
            return ("leaf", path, bytes(item[1]))
        return ("extension", path, self._parsed(item[1]))

    def get(self, key: bytes) -> Optional[bytes]:
        path, node = nibbles(key), self._node(self.tree)
        while node is not None:
            if node[0] == "leaf":
                return node[2] if node[1] == path else None
            if node[0] == "extension":
                if path[: len(node[1])] != node[1]:
                    return None
                path, node = path[len(node[1]) :], self._node(node[2])
            else:
                node, path = self._node(node[1][path[0]]), path[1:]
        return None

    def set(self, key: bytes, value: Optional[bytes]) -> None:
        path = nibbles(key)
        self.tree = self._removed(self.tree, path) if value is None else self._put(self.tree, path, value)

    def _put(self, node: Any, path: List[int], value: bytes) -> Any:
        node = self._node(node)
        if node is None:
            return ("leaf", path, value)
        if node[0] == "branch":
            children = list(node[1])
            children[path[0]] = self._put(children[path[0]], path[1:], value)
            return ("branch", children)
        own = node[1]
        common = 0
        while common < len(own) and own[common] == path[common]:
            common += 1
        if common == len(own):
            if node[0] == "leaf":
                return ("leaf", path, value)
            return ("extension", own, self._put(node[2], path[common:], value))
        children: List[Any] = [None] * 16
        rest = own[common + 1 :]
        if node[0] == "leaf":
            children[own[common]] = ("leaf", rest, node[2])
        else:
            children[own[common]] = ("extension", rest, node[2]) if rest else node[2]
        children[path[common]] = ("leaf", path[common + 1 :], value)
        branch = ("branch", children)
        return ("extension", path[:common], branch) if common else branch

    def _removed(self, node: Any, path: List[int]) -> Any:
        whole = self._node(node)
        if whole is None:
            return None
        if whole[0] == "leaf":
            return None if whole[1] == path else node
        if whole[0] == "extension":
            if path[: len(whole[1])] != whole[1]:
                return node
            child = self._removed(whole[2], path[len(whole[1]) :])
            return node if child is whole[2] else self._joined(whole[1], child)
        children = list(whole[1])
        child = self._removed(children[path[0]], path[1:])
        if child is children[path[0]]:
            return node
        children[path[0]] = child
        left = [index for index, child in enumerate(children) if child is not None]
        if len(left) > 1:
            return ("branch", children)
        # The last child takes the branch's place, for which it must be known.
        return self._joined([left[0]], children[left[0]])

    def _joined(self, path: List[int], child: Any) -> Any:
        whole = self._node(child)
        if whole is None:
            return None
        if whole[0] == "branch":
            return ("extension", path, child)
        return (whole[0], path + whole[1], whole[2])

    def root(self) -> bytes:
        if self.tree is None:
            return EMPTY_ROOT
        if isinstance(self.tree, bytes):
            return self.tree
        return keccak256(rlp.encode(self._item(self.tree)))

    def _item(self, node: Any) -> Any:
        if node is None or isinstance(node, bytes):
            return node or b""
        if node[0] == "branch":
            return [self._reference(child) for child in node[1]] + [b""]
        flag = 2 if node[0] == "leaf" else 0
        digits = [flag + 1] + node[1] if len(node[1]) % 2 else [flag, 0] + node[1]
        compact = bytes(16 * digits[i] + digits[i + 1] for i in range(0, len(digits), 2))
        return [compact, node[2] if node[0] == "leaf" else self._reference(node[2])]

    def _reference(self, node: Any) -> Any:
        item = self._item(node)
        if isinstance(item, bytes):
            return item
        encoded = rlp.encode(item)
        return item if len(encoded) < 32 else keccak256(encoded)
