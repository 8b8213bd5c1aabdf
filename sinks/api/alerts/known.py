"""What was told of alerts, so that what changed while the child was away is told once it is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PAGE = 500
_MARKS = ("user_id", "state", "epoch", "severity", "summary", "suppressed_by", "flapping", "actor", "member_count")
News = Mapping[str, Any]
Page = Callable[..., Awaitable[dict[str, Any]]]


@dataclass
class Known:
    """By fingerprint, the members of an alert that a change changes; `_fresh`: told since the last `missed` began."""

    _marks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _fresh: set[str] = field(default_factory=set)
    _whole: bool = False

    def take(self, news: News) -> None:
        """A change that is told now."""
        if news["event"] == "alert":
            self._set(news["alert"])
        elif news["event"] == "forgotten":
            self._fresh.add(news["fingerprint"])
            self._marks.pop(news["fingerprint"], None)

    def _set(self, alert: Mapping[str, Any]) -> None:
        self._fresh.add(alert["fingerprint"])
        self._marks[alert["fingerprint"]] = _marks(alert)

    async def missed(self, page: Page) -> list[dict[str, Any]]:
        """Changes that nobody told, by comparing with all there is; none the first time, when nothing was known.

        Raises what `page` raises; then the next time has them.
        """
        before, self._fresh = dict(self._marks), set()
        found = await _all(page)
        news: list[dict[str, Any]] = []
        for name, alert in found.items():
            if name not in self._fresh and before.get(name) != _marks(alert):
                self._marks[name] = _marks(alert)
                news.append({"event": "alert", "alert": alert})
        gone = before.keys() - found.keys() - self._fresh
        news += [{"event": "forgotten", "fingerprint": n, "user_id": self._marks.pop(n)[0]} for n in sorted(gone)]
        was_whole, self._whole = self._whole, True
        return news if was_whole else []


def _marks(alert: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(alert[name] for name in _MARKS)


async def _all(page: Page) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        answer = await page(everything=True, most=_PAGE, after=after)
        found |= {alert["fingerprint"]: alert for alert in answer["alerts"]}
        after = answer["next"]
        if after is None:
            return found
