"""Asks the official specification and a wrong implementation about blocks, through `chorale witness compare`."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

HERE = Path(__file__).resolve().parent
SPEC = f"spec=exec:{HERE / 'verifiers/spec'}"
WRONG = f"exec:{HERE / 'verifiers/wrong'}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="Interop/cross-validate",
        description="Blocks are executed by chorale and by Ethereum's executable specification, from the same witness "
        "and without the roots; a third verifier is wrong on purpose.",
        epilog="example: Interop/cross-validate --count 20 --chorale .build/release/chorale",
    )
    parser.add_argument("--chorale", metavar="PATH", type=Path, help="the program under test")
    parser.add_argument("--count", metavar="N", type=int, default=12, help="blocks to ask about (default: 12)")
    parser.add_argument(
        "--cases",
        metavar="FILE",
        type=Path,
        help="one JSON object a line with `block`, `witness`, `fork`, `chainId`, `expect`, packed with gzip "
        "(default: witness/fixtures.jsonl.gz of $CHORALE_EVM_FIXTURES or ../shared/evm)",
    )
    return parser.parse_args()


def program(chosen: Any) -> Path:
    candidates = [chosen] if chosen else [
        HERE.parent / folder / "release/chorale" for folder in (".build-test", ".build")]
    for path in candidates:
        if os.access(path, os.X_OK):
            return path.resolve()
    sys.exit(f"cross-validate: no program at {' or '.join(map(str, candidates))}: run `make build`")


def cases(path: Path, count: int) -> Iterator[Dict[str, Any]]:
    """Valid blocks, as many of each fork as there are forks to share them."""
    forks: Dict[str, List[Dict[str, Any]]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            case = json.loads(line)
            if case["expect"]["status"] == "VALID":
                forks.setdefault(case["fork"], []).append(case)
    while count > 0 and any(forks.values()):
        for fork in forks.values():
            if fork and count > 0:
                count -= 1
                yield fork.pop(0)


class Chorale:
    def __init__(self, path: Path, directory: Path) -> None:
        self.path, self.incidents = path, directory / "incident"

    def compare(self, case: Path, *verifiers: str) -> Dict[str, Any]:
        arguments = [part for verifier in verifiers for part in ("--with", verifier)]
        done = subprocess.run(
            [self.path, "witness", "compare", case, *arguments, "--timeout", "120",
             "--incidents", self.incidents, "--json"],
            capture_output=True, text=True, check=False)
        if not done.stdout:
            raise AssertionError(f"no report: {done.stderr}")
        report = json.loads(done.stdout)
        accepted = not report["decision"].startswith("refuse")
        assert done.returncode == (0 if accepted else 1), f"status {done.returncode}: {report}"
        return report

    def replay(self, bundle: str) -> Dict[str, Any]:
        done = subprocess.run(
            [self.path, "witness", "execute", f"{bundle}/case.json", "--json"],
            capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


def check(chorale: Chorale, case: Dict[str, Any], file: Path) -> str:
    """Raises when something is not as it must be; gives a few words."""
    file.write_text(json.dumps(case))
    expect = case["expect"]
    report = chorale.compare(file, SPEC)
    said = report["answers"][0]
    assert said["outcome"] == "agree", said
    assert report["decision"] == "accept", report
    assert report["stateRoot"] == expect["stateRoot"], report

    # One wrong voice of three: an alarm, and everything is kept.
    alarm = chorale.compare(file, SPEC, "wrong=" + WRONG)
    assert alarm["decision"] == "accept_alarm_disagreement", alarm
    again = chorale.replay(alarm["incident"])
    assert (again["stateRoot"], again["receiptsRoot"]) == (expect["stateRoot"], expect["receiptsRoot"]), again

    # Two wrong voices, or one against one: refused.
    for verifiers in ([SPEC, "wrong=" + WRONG, "worse=" + WRONG], ["wrong=" + WRONG]):
        refused = chorale.compare(file, *verifiers)
        assert refused["decision"] == "refuse_disagreement", refused
    return f"the specification agrees after {said['seconds']:.2f} s"


def main() -> int:
    chosen = options()
    fixtures = os.environ.get("CHORALE_EVM_FIXTURES", str(HERE.parent.parent / "shared/evm"))
    path = chosen.cases or Path(fixtures) / "witness/fixtures.jsonl.gz"
    if not path.exists():
        print(f"cross-validate: no cases at {path}: give --cases FILE", file=sys.stderr)
        return 3
    failures = asked = 0
    with tempfile.TemporaryDirectory(prefix="chorale-cross-") as directory:
        chorale = Chorale(program(chosen.chorale), Path(directory))
        for case in cases(path, chosen.count):
            asked += 1
            begin = time.monotonic()
            try:
                text = "ok    " + check(chorale, case, Path(directory) / "case.json")
            except (AssertionError, subprocess.CalledProcessError, KeyError) as error:
                failures += 1
                text = f"FAILED {error}"
            name = case["name"][-60:]
            print(f"{case['fork']:9} {name:60} {time.monotonic() - begin:5.1f} s  {text}", flush=True)
    print(f"{asked - failures} of {asked} blocks as they must be")
    return 1 if failures or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
