#!/usr/bin/env python3
"""The election of executors and the draw of paid committers, written down a second time: numbers for the tests.

Executor i of n has the key SHA-256("executor" i), the bond 10^9 * (1 + i^2 mod 11) and capability i mod 3. An operation
is SHA-256("operation" j), a beacon SHA-256("beacon" j). Prints the positions of who is elected.
"""

import hashlib


def sha(*parts):
    return hashlib.sha256(b"".join(p if isinstance(p, bytes) else str(p).encode() for p in parts)).digest()


def elect(beacon, operation, capability, executors):
    seed = sha(b"chorale/executor-election/1", beacon, operation)
    rest = [e for e in executors if e[2] == capability and e[1] > 0]
    chosen = []
    for draw in range(min(3, len(rest))):
        point = int.from_bytes(sha(seed, bytes([draw]))[:16], "big") % sum(bond for _, bond, _ in rest)
        for candidate in rest:
            if point < candidate[1]:
                break
            point -= candidate[1]
        chosen.append(candidate)
        rest.remove(candidate)
    return chosen


for count in (1, 2, 4, 7, 100, 1000):
    executors = [(sha("executor", i), 10**9 * (1 + i * i % 11), i % 3) for i in range(count)]
    for j in range(3):
        for capability in (0, 1):
            chosen = elect(sha("beacon", j), sha("operation", j), capability, executors)
            print(f"        ({count}, {j}, {capability}, {[executors.index(e) for e in chosen]}),")

addresses = [sha("address", i)[:20] for i in range(100)]
tickets = sorted(range(100), key=lambda i: sha(b"chorale/committer/1", sha("seed"), sha("root"), addresses[i]))
print(tickets[:32])
