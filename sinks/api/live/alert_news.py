"""What the alert desk says, for who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sinks.api.live.viewers import Viewers


def alert_listener(viewers: Viewers) -> Callable[[Mapping[str, Any]], None]:
    """Puts changes of alerts into the ring of `viewers`; that the desk is away or back is told to nobody here."""

    def hear(news: Mapping[str, Any]) -> None:
        if news["event"] == "alert":
            alert = news["alert"]
            viewers.alerts.add(alert.get("user_id") or "", alert.get("agent_id") or "", {"alert": alert})
        elif news["event"] == "forgotten":
            gone = {"forgotten": news["fingerprint"]}
            viewers.alerts.add(news.get("user_id") or "", news.get("agent_id") or "", gone)
        else:
            return
        viewers.wake()

    return hear
