"""The points of the lake at which the fault suite has the process end; how is said in `infra.runtime.crash`."""

from __future__ import annotations

from infra.runtime.crash import VARIABLE, crash_point

POINTS = (
    "before_rename",  # temporary files are durable, none has its final name
    "between_files",  # the first file of a group has its final name, the last does not
    "after_rename",  # a whole round has its final names, nothing else knows
    "before_checkpoint",  # a position hint is about to be replaced
    "between_checkpoint_files",  # the sessions are replaced, the hint is not
    "after_dead_letters",  # dead letters are acknowledged, their range has no file
    "compact_before_rename",  # the union file is durable under its temporary name
    "compact_after_rename",  # the union file and all that it contains are there
    "compact_between_removals",  # some of what it contains is gone
)

__all__ = ["POINTS", "VARIABLE", "crash_point"]
