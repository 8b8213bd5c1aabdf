"""Waiting for acknowledgements without a timer each: given up in time, told at once, nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from producers.gateway.lot import Receipt
from producers.gateway.patience import Patience


async def test_what_is_not_acknowledged_is_given_up_and_what_is_goes_on() -> None:
    patience = Patience(0.2)
    late, acknowledged, refused = Receipt(1), Receipt(2), Receipt(1)
    waiting = [asyncio.create_task(patience.wait(receipt)) for receipt in (late, acknowledged, refused)]
    await asyncio.sleep(0)
    acknowledged.acknowledge()
    acknowledged.acknowledge()
    refused.refuse(ValueError("no"))
    async with asyncio.timeout(60):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [TimeoutError, type(None), ValueError]
    assert not patience._waiting


async def test_who_is_cancelled_waits_no_more_and_later_ones_are_looked_at_again() -> None:
    patience = Patience(0.05)
    gone = asyncio.create_task(patience.wait(Receipt(1)))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait({gone})
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await patience.wait(Receipt(1))
    assert not patience._waiting
