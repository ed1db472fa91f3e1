#!/usr/bin/env python3
"""Writes the code of the operations contract into Sources/Operations. `--check` only says whether it is there."""

import pathlib
import sys

from yul import compile_yul

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent / "Sources/Operations/Contract/OperationsContract+Code.swift"


def swift(code):
    digits = code.hex()
    lines = [digits[i:i + 80] for i in range(0, len(digits), 80)]
    text = "".join(f'            "{line}",\n' for line in lines)
    return (
        "// Written by contracts/build.py from contracts/operations.yul.\n\n"
        "extension OperationsContract {\n"
        f"    /// Runtime code, {len(code)} bytes.\n"
        "    static let codeDigits = [\n" + text.replace("            ", "        ") + "    ].joined()\n}\n"
    )


if __name__ == "__main__":
    text = swift(compile_yul((HERE / "operations.yul").read_text()))
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != text:
            sys.exit(f"{TARGET} is not what contracts/build.py makes of operations.yul")
        print("the code of the operations contract is that of its source")
    else:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text)
