"""Bytecode written by hand, as words: names of instructions, and numbers, which are pushed."""

from __future__ import annotations

_NAMES = {
    0x00: "STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND",
    0x10: "LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR CLZ",
    0x20: "KECCAK256",
    0x30: "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE"
    " CODECOPY GASPRICE EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY EXTCODEHASH",
    0x40: "BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE"
    " BLOBHASH BLOBBASEFEE",
    0x50: "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST TLOAD TSTORE MCOPY",
    0x80: " ".join(f"DUP{index}" for index in range(1, 17)),
    0x90: " ".join(f"SWAP{index}" for index in range(1, 17)),
    0xA0: " ".join(f"LOG{index}" for index in range(5)),
    0xF0: "CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2",
    0xFA: "STATICCALL",
    0xFD: "REVERT INVALID SELFDESTRUCT",
}
OPCODES = {
    name: first + index
    for first, names in _NAMES.items()
    for index, name in enumerate(names.split())
}


def assembled(text: str) -> str:
    """The code in hexadecimal. `UNDEFINED` is an opcode that no fork has."""
    return "".join(_assembled_word(word) for word in text.split())


def _assembled_word(word: str) -> str:
    if word == "UNDEFINED":
        return "0c"
    if word in OPCODES:
        return f"{OPCODES[word]:02x}"
    digits = word[2:] if word.startswith("0x") else f"{int(word):x}"
    if digits == "0":
        return "5f"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    return f"{0x5F + len(digits) // 2:02x}{digits}"
