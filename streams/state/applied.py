"""Which offsets each bucket already contains, so that a replay counts nothing twice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from streams.state.stores import BUCKETS

NONE_APPLIED = -1


class AppliedThrough:
    """Per source topic the last applied offset of every bucket, and of the partition as a whole.

    After a recovery buckets may differ: the flush that wrote them may have been cut short.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, npt.NDArray[np.int64]] = {}
        self._partition: dict[str, int] = {}

    def restore(self, bucket: int, applied: Mapping[str, int]) -> None:
        """Take over what the snapshot of a bucket says."""
        for topic, offset in applied.items():
            self._of(topic)[bucket] = offset

    def _of(self, topic: str) -> npt.NDArray[np.int64]:
        return self._buckets.setdefault(topic, np.full(BUCKETS, NONE_APPLIED, np.int64))

    def last(self, topic: str) -> int:
        """The last offset of the topic applied since the partition was taken over."""
        return self._partition.get(topic, NONE_APPLIED)

    def is_replay(self, topic: str, first_offset: int) -> bool:
        """Whether a batch that begins here may hold records that some bucket already contains."""
        return topic in self._buckets and first_offset <= int(self._buckets[topic].max())

    def is_new(
        self, topic: str, offsets: npt.NDArray[np.int64], buckets: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.bool_]:
        """For each record whether its bucket does not contain it yet; offsets i8[n], buckets i4[n], result b[n]."""
        return offsets > self._of(topic)[buckets]

    def advance(self, topic: str, last_offset: int) -> None:
        """All records of the topic up to this one have been applied, in every bucket."""
        self._partition[topic] = max(last_offset, self.last(topic))
        known = self._buckets.get(topic)
        if known is not None and last_offset >= int(known.max()):
            del self._buckets[topic]

    def of_bucket(self, bucket: int) -> dict[str, int]:
        """What a snapshot of the bucket has to say now."""
        topics = self._partition.keys() | self._buckets.keys()
        return {
            topic: max(
                self._partition.get(topic, NONE_APPLIED),
                int(self._buckets[topic][bucket]) if topic in self._buckets else NONE_APPLIED,
            )
            for topic in topics
        }
