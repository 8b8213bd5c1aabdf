"""When a run has drained."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from infra.runtime.offsets import OffsetReader


async def drained(reader: OffsetReader, groups: Sequence[str], deadline_s: float) -> bool:
    """Wait until groups have committed all that their topics held at the call; False when not by the deadline.

    What comes later does not count: our own processes go on beating until the last of them has stopped. Two readings in
    a row are asked for: Tansu reports the base offset of the last batch + 1 as the end of a log, so a group can be past
    the reported end and still have something to read.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_s
    ends: dict[str, dict[TopicPartition, int]] = {}
    complete_before = not groups
    while loop.time() < end_s:
        try:
            offsets = await reader.read()
        except KafkaError:
            await asyncio.sleep(0.5)
            continue
        ends = ends or {group: offsets.held(reader.groups[group]) for group in groups}
        complete = all(offsets.reached(group, ends[group]) for group in groups)
        if complete and complete_before:
            return True
        complete_before = complete
        await asyncio.sleep(0.7)
    return False
