"""Wherever writing and compacting are cut off, a reader sees each offset once, and recovery loses none.

A lake is modelled by its names alone: a file in the folder of an hour holds the offsets of its range whose event fell
into that hour. Every change of the lake is one name that appears or goes; a crash is a cut between two of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sinks.lake.naming import LakeFile, parse_name, visible
from sinks.lake.recovery import StoredFile, incomplete_newest

TOPIC = "fleet.metrics"


@dataclass
class Model:
    """`hours[offset]` is the folder of the offset's event; `steps` counts down to the crash."""

    hours: list[int]
    steps: int
    names: set[str] = field(default_factory=set)

    def change(self, *, add: str = "", remove: str = "") -> None:
        if self.steps == 0:
            raise _CrashError
        self.steps -= 1
        self.names |= {add} - {""}
        self.names -= {remove}

    def write(self, first: int, last: int) -> None:
        folders = sorted({self.hours[offset] for offset in range(first, last + 1)})
        for part, hour in enumerate(folders, start=1):
            self.change(add=f"h{hour}/{LakeFile(TOPIC, 0, first, last, part, len(folders)).name}")

    def files(self) -> list[StoredFile]:
        found = []
        for name in sorted(self.names):
            folder, _, rest = name.partition("/")
            file = parse_name(rest)
            assert file is not None
            found.append(StoredFile(folder, file))
        return found

    def compact(self, hour: int, below: int, count: int) -> None:
        """Merge the first `count` visible files of an hour that end before `below`, then remove what is contained."""
        shown = [
            s
            for s in self.files()
            if s.folder == f"h{hour}" and s.file.last < below and s.relative in set(visible(self.names))
        ]
        run = sorted(shown, key=lambda s: s.file.first)[:count]
        if not run:
            return
        union = LakeFile(TOPIC, 0, run[0].file.first, max(s.file.last for s in run), compacted=True)
        if f"h{hour}/{union.name}" not in self.names:
            self.change(add=f"h{hour}/{union.name}")
        hidden = {n for n in self.names if n.startswith(f"h{hour}/")} - set(visible(self.names))
        for name in sorted(hidden):
            self.change(remove=name)

    def recover(self) -> int:
        """What recovery does without a hint; the next offset."""
        for torn in incomplete_newest(self.files()):
            self.names.remove(torn.relative)
        return max((s.file.last for s in self.files()), default=-1) + 1

    def seen(self) -> Counter[int]:
        counts: Counter[int] = Counter()
        for name in visible(self.names):
            folder, _, rest = name.partition("/")
            file = parse_name(rest)
            assert file is not None
            counts.update(o for o in range(file.first, file.last + 1) if f"h{self.hours[o]}" == folder)
        return counts


class _CrashError(Exception):
    pass


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 8), st.just(0)),
        st.tuples(st.just("compact"), st.integers(0, 2), st.integers(1, 6)),
    ),
    min_size=1,
    max_size=25,
)


def _act(model: Model, actions: list[tuple[str, int, int]], position: int) -> int:
    for kind, size, count in actions:
        if kind == "write":
            last = min(position + size, len(model.hours)) - 1
            if last < position:
                continue
            model.write(position, last)
            position = last + 1
        else:
            model.compact(size, position, count)
    return position


@given(
    hours=st.lists(st.integers(0, 2), min_size=1, max_size=80),
    before=ACTIONS,
    after=ACTIONS,
    crash=st.integers(0, 60),
)
def test_each_offset_is_seen_once_wherever_it_crashes(
    hours: list[int], before: list[tuple[str, int, int]], after: list[tuple[str, int, int]], crash: int
) -> None:
    model = Model(hours, crash)
    try:
        _act(model, before, 0)
    except _CrashError:
        assert max(model.seen().values(), default=1) == 1, "a reader at the crash sees no offset twice"
    position = model.recover()
    assert model.seen() == Counter(range(position)), "after recovery all before the position is there, once"
    model.steps = 10_000
    position = _act(model, after, position)
    assert model.seen() == Counter(range(position))
    assert incomplete_newest(model.files()) == []
