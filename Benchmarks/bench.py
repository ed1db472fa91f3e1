"""Measures Chorale beside go-libp2p, a bare C pipeline and revm, in one interleaved run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import signal
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="Benchmarks/run", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--quick", action="store_true", help="about a tenth of the work")
    parser.add_argument("--only", metavar="REGEX", default="", help="measurements to make, by name")
    parser.add_argument("--list", action="store_true", help="names the measurements")
    for option in ("--data", "--tool", "--program", "--pipeline", "--p2pd", "--revm"):
        parser.add_argument(option, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        chosen = re.compile(options.only)
    except re.error as error:
        parser.error(f"'{options.only}' is no regular expression: {error}")

    # The drivers of real peers are shared with Interop/.
    sys.path[:0] = [str(HERE), str(HERE.parent / "Interop")]
    from measure import MEASUREMENTS
    from measure.report import Report
    from measure.system import Stage

    if options.list:
        for name, measurement in MEASUREMENTS.items():
            print(f"{name:12} {measurement.__doc__.splitlines()[0]}")
        return 0
    names = [name for name in MEASUREMENTS if chosen.search(name)]
    if not names:
        parser.error(f"no measurement's name matches '{options.only}': {', '.join(MEASUREMENTS)}")

    # A thousand connections need more descriptors than the usual 1,024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))
    # However the run ends, the processes are stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="chorale-bench-"))
    failed = False
    try:
        for name in names:
            print(f"bench: {name}: {MEASUREMENTS[name].__doc__.splitlines()[0]}", file=sys.stderr)
            stage = Stage(
                folder, options.tool, options.program, options.pipeline, options.p2pd,
                options.revm, options.quick)
            try:
                MEASUREMENTS[name](stage, report)
            except KeyboardInterrupt:
                raise
            except Exception as error:  # One that fails must not hide the others.
                report.failure(name, f"{type(error).__name__}: {error}")
                failed = True
            finally:
                stage.close()
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    if options.json:
        document = {
            "date": date.today().isoformat(),
            "machine": platform.machine(),
            "cpus": len(os.sched_getaffinity(0)),
            "quick": options.quick,
            **report.document(),
        }
        print(json.dumps(document, indent=2))
    else:
        print(report.table())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
