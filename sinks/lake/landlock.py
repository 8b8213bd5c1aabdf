"""Linux Landlock: this process gives up writing, for good. The last line behind the checks of SQL.

Kernel interface: Documentation/userspace-api/landlock.rst, access rights and system call numbers (the same on every
architecture). Where the kernel has no Landlock nothing changes, and the caller hears so.
"""

from __future__ import annotations

import ctypes
import struct
import sys

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION_FLAG = 1
_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE = 1 << 1
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_NET_BIND_AND_CONNECT_TCP = 0b11


def give_up_writing() -> bool:
    """Deny this process and its children every opening for writing, making, removing and renaming of files, and TCP.

    Return whether the kernel enforces it. Files and pipes that are open already stay usable.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version < 1:
        return False
    files = _WRITE_FILE | _REMOVE_AND_MAKE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("<QQ", files, _NET_BIND_AND_CONNECT_TCP)[: 16 if version >= 4 else 8]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0 or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
