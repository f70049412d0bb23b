# SPDX-License-Identifier: Apache-2.0
"""Python and the C below it, until it is killed. Prints a line when it has begun."""
import hashlib
import json
import re
import zlib


def descend(depth, seed):
    if depth == 0:
        return sum(i * i for i in range(2000)) + seed
    return descend(depth - 1, seed + depth) % 1000003


def sort_case(seed):
    return sorted(range(5000), key=lambda i: (i * 7919 + seed) % 5003)[3]


def native_case(seed):
    text = json.dumps([f"{seed} {i}" for i in range(2000)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return len(zlib.compress(text.encode())) + len(re.sub(r"\d+", "x", text)) + len(digest)


value = 3
print("ready", flush=True)
while True:
    value = (value + descend(15, value) + sort_case(value) + native_case(value)) % 1000003
