"""Events of one topic on disk, oldest first, in segment files that are sent and removed whole.

A segment is the unit of sending: it is read, sent, and removed when the broker has acknowledged all of it. A process
that dies in between sends the segment again: at least once. Writes go to the operating system without fsync, so a
SIGKILL loses nothing that `append` counted; a power cut may lose the last seconds.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from producers.sdk.encode import Record
from producers.sdk.frames import MAGIC, Tail, encode_frames, read_frames

_log = logging.getLogger("fleetpulse.sdk.spool")
SUFFIX = ".seg"
MAX_QUARANTINED_FILES = 16
_FIRST_NUMBER = 1_000_000_000


@dataclass
class Budget:
    """Bytes that all segments of a reporter may take together."""

    limit_bytes: int
    used_bytes: int = 0

    def room_bytes(self) -> int:
        """How much may still be written."""
        return self.limit_bytes - self.used_bytes


@dataclass(eq=False)
class Segment:
    """One file; `events` left to send (0 for one of an earlier process until it is read), `sent` before them."""

    path: Path
    number: int
    size_bytes: int
    events: int
    sent: int = 0


class TopicSpool:
    """The segments of one topic in one session's folder."""

    def __init__(self, folder: Path, topic: str, budget: Budget, segment_bytes: int) -> None:
        self._folder = folder
        self._topic = topic
        self._topic_bytes = topic.encode()
        self._budget = budget
        self._segment_bytes = segment_bytes
        self._segments: deque[Segment] = deque()
        self._tail_fd: int | None = None
        self.events = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self._segments

    def load(self) -> None:
        """Take over the files that an earlier process left. Raises `OSError`."""
        for path in sorted(self._folder.glob(f"{self._topic}.*{SUFFIX}")):
            size_bytes = path.stat().st_size
            self._segments.append(Segment(path, int(path.name.split(".")[-2]), size_bytes, 0))
            self._budget.used_bytes += size_bytes

    def append(self, records: Sequence[Record]) -> int:
        """Write the oldest of `records` that fit the budget and the disk; how many were written."""
        written = 0
        while written < len(records):
            count = self._append_some(records[written : written + 1_000])
            written += count
            if not count:
                break
        return written

    def _append_some(self, records: Sequence[Record]) -> int:
        frames = encode_frames(self._topic_bytes, records)
        room_bytes = self._budget.room_bytes() - (len(MAGIC) if self._tail_fd is None else 0)
        fitting, total_bytes = 0, 0
        for frame in frames:
            if total_bytes + len(frame) > room_bytes:
                break
            fitting += 1
            total_bytes += len(frame)
        if not fitting:
            return 0
        try:
            self._write_tail(b"".join(frames[:fitting]), fitting)
        except OSError as error:
            _log.warning("the spool cannot be written: %s", error)
            return 0
        return fitting

    def _write_tail(self, data: bytes, events: int) -> None:
        if self._tail_fd is None:
            number = self._segments[-1].number + 1 if self._segments else _FIRST_NUMBER
            segment, self._tail_fd = self._create(number)
            self._segments.append(segment)
        tail = self._segments[-1]
        try:
            _write_all(self._tail_fd, data)
        except OSError:
            # A part of it may be there: without it the file ends where its last whole frame does.
            os.ftruncate(self._tail_fd, tail.size_bytes)
            os.lseek(self._tail_fd, tail.size_bytes, os.SEEK_SET)
            self._drop_empty_tail()
            raise
        self._grow(tail, len(data), events)
        if tail.size_bytes >= self._segment_bytes:
            self._seal()

    def _create(self, number: int) -> tuple[Segment, int]:
        path = self._folder / f"{self._topic}.{number:010d}{SUFFIX}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_all(fd, MAGIC)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._budget.used_bytes += len(MAGIC)
        return Segment(path, number, len(MAGIC), 0), fd

    def _grow(self, segment: Segment, size_bytes: int, events: int) -> None:
        segment.size_bytes += size_bytes
        segment.events += events
        self._budget.used_bytes += size_bytes
        self.events += events

    def _drop_empty_tail(self) -> None:
        if not self._segments[-1].events:
            self._seal()
            self._forget(self._segments.pop())

    def prepend(self, records: Sequence[Record]) -> int:
        """Write events before all others, as a segment of their own; all or, on a full disk or budget, none."""
        data = b"".join(encode_frames(self._topic_bytes, records))
        if not records or len(data) + len(MAGIC) > self._budget.room_bytes():
            return 0
        number = self._segments[0].number - 1 if self._segments else _FIRST_NUMBER
        try:
            segment, fd = self._create(number)
        except OSError as error:
            _log.warning("the spool cannot be written: %s", error)
            return 0
        try:
            _write_all(fd, data)
        except OSError as error:
            _log.warning("the spool cannot be written: %s", error)
            self._forget(segment)
            return 0
        finally:
            os.close(fd)
        self._grow(segment, len(data), len(records))
        self._seal()
        self._segments.appendleft(segment)
        return len(records)

    def head(self) -> tuple[Segment, list[Record]] | None:
        """The oldest segment that has events left, with these; None when there is none. Bad bytes are set aside."""
        while self._segments:
            if len(self._segments) == 1:
                self._seal()
            segment = self._segments[0]
            try:
                content = read_frames(self._topic_bytes, segment.path.read_bytes())
            except OSError as error:
                _log.error("a spool segment cannot be read and is left out: %s", error)
                self._segments.popleft()
                self._budget.used_bytes -= segment.size_bytes
                self.events -= segment.events
                continue
            if content.tail is not Tail.WHOLE:
                self._set_aside(segment, content.good_bytes, content.tail)
            records = content.records[segment.sent :]
            self.events += len(records) - segment.events
            segment.events = len(records)
            if records:
                return segment, records
            self.remove(segment)
        return None

    def _set_aside(self, segment: Segment, good_bytes: int, tail: Tail) -> None:
        """Cut off what cannot be read; a torn frame was never counted as written, anything else is kept to look at."""
        kept = "nowhere"
        try:
            if tail is Tail.CORRUPT:
                kept = _quarantine(self._folder, segment.path, good_bytes)
            os.truncate(segment.path, good_bytes)
        except OSError as error:
            _log.warning("a damaged spool segment cannot be cut: %s", error)
        else:
            self._budget.used_bytes -= segment.size_bytes - good_bytes
            segment.size_bytes = good_bytes
        _log.warning("%s: %s bytes after %d were set aside, kept %s", segment.path.name, tail.value, good_bytes, kept)

    def settle(self, segment: Segment, events: int) -> None:
        """Count the first `events` of what is left of a segment as sent; remove the file when that was all."""
        segment.sent += events
        segment.events -= events
        self.events -= events
        if segment.events <= 0:
            self.remove(segment)

    def remove(self, segment: Segment) -> None:
        """Forget a segment and its file."""
        self._segments.remove(segment)
        self.events -= segment.events
        self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        self._budget.used_bytes -= segment.size_bytes
        segment.path.unlink(missing_ok=True)

    def _seal(self) -> None:
        if self._tail_fd is not None:
            os.close(self._tail_fd)
            self._tail_fd = None

    def close(self) -> None:
        """Close the open file; the segments stay."""
        self._seal()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _quarantine(folder: Path, path: Path, good_bytes: int) -> str:
    """Copy what follows the good bytes to a folder beside the sessions, as long as that holds few files."""
    quarantine = folder.parent / "quarantine"
    quarantine.mkdir(exist_ok=True)
    if sum(1 for _ in quarantine.iterdir()) >= MAX_QUARANTINED_FILES:
        return "nowhere (the quarantine folder is full)"
    target = quarantine / f"{folder.name}.{path.name}.bad"
    target.write_bytes(path.read_bytes()[good_bytes:])
    return str(target)
