"""An answer after governance, and where an answer comes from."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from producers.governance import Finding, Verdict

Response: TypeAlias = str | Awaitable[str] | Callable[[], str | Awaitable[str]]
"""The answer of an agent, or what makes it."""


@dataclass(frozen=True, slots=True)
class GovernedResponse:
    """What may leave: `text`, which is the answer, or what is left of it.

    `allowed`: something of it leaves. `action`: allowed, flagged, redacted or blocked. `findings`: one for each policy
    that was violated. `trust_score`: the agent's own view of itself after this answer, 0 to 1.
    """

    text: str
    allowed: bool
    action: Verdict
    findings: tuple[Finding, ...]
    trust_score: float


async def made(response: Response) -> str:
    """The text: as it is, awaited, or from a call, which happens where it stands. Raises what making it raises."""
    if isinstance(response, str):
        return response
    if not inspect.isawaitable(response) and callable(response):
        response = response()
    text = await response if inspect.isawaitable(response) else response
    if not isinstance(text, str):
        raise TypeError(f"the agent's response is {type(text).__name__}, not str")
    return text
