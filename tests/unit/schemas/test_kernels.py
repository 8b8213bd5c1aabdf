"""Machine code on disk where two processes compile the same kernel at once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from schemas.kernels import kept

_SOURCE = """
def total(values):
    found = 0.0
    for at in range(values.size):
        found += values[at]
    return found
"""


def as_a_new_process(path: Path) -> Any:  # noqa: ANN401  # numba has no types
    """The kernel as one more process has it: nothing compiled, the same folder."""
    spec = importlib.util.spec_from_file_location("summing", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return kept(module.total)


def test_two_that_compile_at_once_do_not_take_each_others_code(tmp_path: Path) -> None:
    path = tmp_path / "summing.py"
    path.write_text(_SOURCE)
    one, other, third = (as_a_new_process(path) for _ in range(3))
    late: list[tuple[str, Any]] = []
    files, of_other = one._cache._cache_file, other._cache._cache_file
    write = files._save_data
    files._save_data = lambda name, data: late.append((name, data))
    of_other._load_index = dict  # it looked before the first one had written
    values = np.arange(10.0)
    assert (one(values), other(values[::2])) == (45.0, 20.0)
    write(*late[0])
    assert (third(values[::2]), third(values)) == (20.0, 45.0)
    assert sum(third.stats.cache_hits.values()) == 1, "one was kept"
