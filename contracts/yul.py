"""A small compiler for the part of Yul that operations.yul is written in.

Yul is the assembly language of Solidity: EVM instructions as function calls, with variables and jumps by name.
This keeps to what it says: no optimisation, each expression from its last argument to its first. Each variable has
a word of memory of its own, counted from 0x80, so that recursion is refused; `memoryguard` is the first free byte behind
them. Whatever Yul has besides is refused, too.

https://docs.soliditylang.org/en/latest/yul.html
"""

import re

OPCODES = {
    "stop": (0x00, 0, 0), "add": (0x01, 2, 1), "mul": (0x02, 2, 1), "sub": (0x03, 2, 1), "div": (0x04, 2, 1),
    "mod": (0x06, 2, 1), "lt": (0x10, 2, 1), "gt": (0x11, 2, 1), "eq": (0x14, 2, 1), "iszero": (0x15, 1, 1),
    "and": (0x16, 2, 1), "or": (0x17, 2, 1), "xor": (0x18, 2, 1), "not": (0x19, 1, 1), "shl": (0x1B, 2, 1),
    "shr": (0x1C, 2, 1), "keccak256": (0x20, 2, 1), "address": (0x30, 0, 1), "balance": (0x31, 1, 1),
    "caller": (0x33, 0, 1), "callvalue": (0x34, 0, 1), "calldataload": (0x35, 1, 1), "calldatasize": (0x36, 0, 1),
    "calldatacopy": (0x37, 3, 0), "returndatasize": (0x3D, 0, 1), "returndatacopy": (0x3E, 3, 0), "number": (0x43, 0, 1), "chainid": (0x46, 0, 1),
    "pop": (0x50, 1, 0), "mload": (0x51, 1, 1), "mstore": (0x52, 2, 0), "mstore8": (0x53, 2, 0),
    "sload": (0x54, 1, 1), "sstore": (0x55, 2, 0), "gas": (0x5A, 0, 1), "log0": (0xA0, 2, 0), "log1": (0xA1, 3, 0),
    "log2": (0xA2, 4, 0), "log3": (0xA3, 5, 0), "call": (0xF1, 7, 1), "return": (0xF3, 2, 0),
    "staticcall": (0xFA, 6, 1), "revert": (0xFD, 2, 0), "selfbalance": (0x47, 0, 1),
}
MEMORY_START = 0x80
TOKEN = re.compile(r"\s+|//[^\n]*|/\*.*?\*/|(0x[0-9a-fA-F]+|\d+|[A-Za-z_$][\w$.]*|:=|->|[{}(),])", re.S)


class YulError(Exception):
    pass


class Compiler:
    def __init__(self, source):
        self.tokens, position = [], 0
        while position < len(source):
            match = TOKEN.match(source, position)
            if not match:
                raise YulError(f"line {source.count(chr(10), 0, position) + 1}: {source[position:position + 20]!r}")
            if match.group(1):
                self.tokens.append((match.group(1), source.count("\n", 0, position) + 1))
            position = match.end()
        self.at = 0
        self.code = []  # bytes, or ("label", n), ("reference", n), ("guard",)
        self.labels = 0
        self.memory = MEMORY_START
        self.functions = {}
        self.variables = {}
        self.current = None
        self.calls = set()

    # Tokens

    def peek(self):
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def take(self, expected=None):
        if self.at == len(self.tokens):
            raise YulError("the source ends")
        token, line = self.tokens[self.at]
        if expected not in (None, token):
            raise YulError(f"line {line}: {token!r} instead of {expected!r}")
        self.at += 1
        return token

    def fail(self, message):
        raise YulError(f"line {self.tokens[min(self.at, len(self.tokens)) - 1][1]}: {message}")

    def name(self):
        token = self.take()
        if not re.match(r"[A-Za-z_$]", token) or token in OPCODES or token == "memoryguard":
            self.fail(f"{token!r} is no name")
        return token

    # Code

    def op(self, *codes):
        self.code += codes

    def push(self, value):
        if not 0 <= value < 1 << 256:
            self.fail(f"{value} does not fit")
        size = (value.bit_length() + 7) // 8
        self.op(0x5F + size, *value.to_bytes(size, "big"))

    def label(self):
        self.labels += 1
        return self.labels

    def reference(self, label):
        self.op(0x61, ("reference", label))

    def mark(self, label):
        self.op(("label", label), 0x5B)

    # Grammar

    def program(self):
        # Functions may be called before they are written.
        for index, (token, _) in enumerate(self.tokens):
            if token == "function":
                self.declare(index + 1)
        self.block()
        if self.peek() is not None:
            self.fail("something behind the end")
        self.op(0x00)
        pending = [i for i, (token, _) in enumerate(self.tokens) if token == "function"]
        for index in pending:
            self.at = index + 1
            self.function()
        self.refuse_recursion()
        return self.link()

    def declare(self, index):
        name = self.tokens[index][0]
        if name in self.functions:
            raise YulError(f"{name} is there twice")
        depth_end = index + 2
        parameters = []
        while self.tokens[depth_end][0] != ")":
            if self.tokens[depth_end][0] != ",":
                parameters.append(self.tokens[depth_end][0])
            depth_end += 1
        returns = int(self.tokens[depth_end + 1][0] == "->")
        self.functions[name] = (self.label(), len(parameters), returns)

    def function(self):
        name = self.name()
        self.current, self.variables = name, {}
        label, _, returns = self.functions[name]
        self.take("(")
        parameters = []
        while self.peek() != ")":
            parameters.append(self.name())
            if self.peek() == ",":
                self.take(",")
        self.take(")")
        result = None
        if returns:
            self.take("->")
            result = self.name()
        self.mark(label)
        for parameter in parameters:
            self.store(self.variable(parameter, new=True))
        if result:
            self.push(0)
            self.store(self.variable(result, new=True))
        self.end = self.label()
        self.block()
        self.mark(self.end)
        if result:
            self.load(self.variable(result))
            self.op(0x90)  # SWAP1
        self.op(0x56)
        self.current = None

    def variable(self, name, new=False):
        if new:
            if name in self.variables or name in self.functions:
                self.fail(f"{name} is there twice")
            self.variables[name] = self.memory
            self.memory += 32
        if name not in self.variables:
            self.fail(f"nothing is called {name}")
        return self.variables[name]

    def load(self, address):
        self.push(address)
        self.op(0x51)

    def store(self, address):
        self.push(address)
        self.op(0x52)

    def block(self):
        self.take("{")
        while self.peek() != "}":
            self.statement()
        self.take("}")

    def skip_block(self):
        depth = 0
        while True:
            token = self.take()
            depth += (token == "{") - (token == "}")
            if depth == 0 and token == "}":
                return

    def statement(self):
        token = self.peek()
        if token == "{":
            self.block()
        elif token == "function":
            if self.current:
                self.fail("a function within a function")
            while self.peek() != "{":
                self.take()
            self.skip_block()
        elif token == "let":
            self.take()
            name = self.name()
            if self.peek() == ":=":
                self.take()
                self.value()
            else:
                self.push(0)
            self.store(self.variable(name, new=True))
        elif token == "if":
            self.take()
            end = self.label()
            self.value()
            self.op(0x15)
            self.reference(end)
            self.op(0x57)
            self.block()
            self.mark(end)
        elif token == "switch":
            self.switch()
        elif token == "for":
            self.loop()
        elif token == "leave":
            self.take()
            if not self.current:
                self.fail("leave outside of a function")
            self.reference(self.end)
            self.op(0x56)
        elif self.tokens[self.at + 1][0] == ":=":
            name = self.name()
            self.take(":=")
            self.value()
            self.store(self.variable(name))
        elif self.expression():
            self.fail("a value that nobody takes")

    def switch(self):
        self.take("switch")
        self.value()
        end = self.label()
        while self.peek() == "case":
            self.take()
            other = self.label()
            self.op(0x80)  # DUP1
            self.push(int(self.take(), 0))
            self.op(0x14, 0x15)
            self.reference(other)
            self.op(0x57, 0x50)
            self.block()
            self.reference(end)
            self.op(0x56)
            self.mark(other)
        self.op(0x50)
        if self.peek() == "default":
            self.take()
            self.block()
        self.mark(end)

    def loop(self):
        self.take("for")
        self.block()
        condition, end = self.label(), self.label()
        self.mark(condition)
        self.value()
        self.op(0x15)
        self.reference(end)
        self.op(0x57)
        after = self.at
        self.skip_block()
        self.block()
        behind = self.at
        self.at = after
        self.block()
        self.at = behind
        self.reference(condition)
        self.op(0x56)
        self.mark(end)

    def value(self):
        if not self.expression():
            self.fail("a call without a value")

    def expression(self):
        """Returns how many values it leaves: none or one."""
        token = self.take()
        if re.match(r"0x|\d", token):
            self.push(int(token, 0))
            return 1
        if token == "memoryguard":
            self.take("(")
            self.take("0x80")
            self.take(")")
            self.op(0x61, ("guard",))
            return 1
        if self.peek() != "(":
            self.load(self.variable(token))
            return 1
        if token in OPCODES:
            opcode, count, values = OPCODES[token]
            self.arguments(token, count)
            self.op(opcode)
            return values
        if token not in self.functions:
            self.fail(f"no function is called {token}")
        label, count, values = self.functions[token]
        self.calls.add((self.current, token))
        behind = self.label()
        self.reference(behind)
        self.arguments(token, count)
        self.reference(label)
        self.op(0x56)
        self.mark(behind)
        return values

    def arguments(self, name, count):
        """Compiles what is in parentheses from the last to the first."""
        self.take("(")
        starts, depth = [], 0
        if self.peek() != ")":
            starts.append(self.at)
        while True:
            token = self.take()
            depth += (token == "(") - (token == ")")
            if depth < 0:
                break
            if depth == 0 and token == ",":
                starts.append(self.at)
        end = self.at
        if len(starts) != count:
            self.fail(f"{name} has {count} arguments, not {len(starts)}")
        limits = starts[1:] + [end]
        for start, limit in reversed(list(zip(starts, limits))):
            self.at = start
            self.value()
            if self.at != limit - 1:
                self.fail(f"an argument of {name} goes on")
        self.at = end

    def refuse_recursion(self):
        reached = set(self.calls)
        while True:
            more = {(a, d) for a, b in reached for c, d in self.calls if b == c} - reached
            if not more:
                break
            reached |= more
        for a, b in reached:
            if a == b and a is not None:
                raise YulError(f"{a} calls itself")

    def link(self):
        places, position = {}, 0
        for item in self.code:
            if isinstance(item, int):
                position += 1
            elif item[0] == "label":
                places[item[1]] = position
            else:
                position += 2
        code = bytearray()
        for item in self.code:
            if isinstance(item, int):
                code.append(item)
            elif item[0] == "reference":
                code += places[item[1]].to_bytes(2, "big")
            elif item[0] == "guard":
                code += self.memory.to_bytes(2, "big")
        if len(code) > 24576:
            raise YulError(f"{len(code)} bytes are too much for a contract (EIP-170)")
        return bytes(code)


def compile_yul(source):
    """The runtime code of a block of Yul."""
    return Compiler(source).program()
