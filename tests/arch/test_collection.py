"""Tests are the same whoever collects them: two workers compare their lists, and a name that differs ends the run.

A name is made of a test's parameters: bytes that gzip stamped with the second of their packing, a random id, the order
of a set. Give such parameters `ids`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from tracked import ROOT

# Those of the browser run by themselves, in one process.
COLLECT = [
    "-m",
    "pytest",
    "tests",
    "--ignore",
    "tests/browser",
    "--collect-only",
    "-q",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
]


def collecting(hash_seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *COLLECT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Options that somebody gave this run may print the names in another way.
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTEST_ADDOPTS": ""},
    )


def names(printed: str) -> list[str]:
    """Those of the tests, without the summary, which tells how long it took."""
    return [line for line in printed.splitlines() if "::" in line]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_two_collections_find_the_same_tests() -> None:
    with collecting(1) as first:
        began_s = int(time.time())
        found = [names(first.communicate()[0])]
    assert int(time.time()) > began_s, "the second collection has to begin in a later second"
    with collecting(2) as second:
        found.append(names(second.communicate()[0]))
    assert (first.returncode, second.returncode) == (0, 0), found
    assert len(found[0]) > 1_000
    assert found[0] == found[1]
