"""Compiled loops (Numba) whose machine code stays on disk, also where several processes compile at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numba


def kept(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # numba has no types
    """Compile without the GIL, once a machine. Raises `RuntimeError` where no folder takes the machine code.

    Numba numbers the files of a kernel's signatures by an index that it reads and writes without a lock. Two processes
    that compile two signatures at the same moment both take number 1; then the index may name the one and the file hold
    the other, and whoever loads that has code for arrays of another layout, which answers wrongly without a word. So
    every process has names of its own; at worst the index forgets a file, and its signature is compiled again.
    """
    kernel: Any = numba.njit(nogil=True, cache=True)(function)
    if hasattr(kernel, "_cache"):  # without NUMBA_DISABLE_JIT
        files = kernel._cache._cache_file
        files._data_name_pattern = files._data_name_pattern.replace("{number", uuid4().hex[:8] + ".{number")
    return kernel
