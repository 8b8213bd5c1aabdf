"""What a lane has done since its start, and since when its channel fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Statistics:
    """Alerts by outcome of their attempts; `failing_since_s` is monotonic, None while the channel takes them."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    suppressed: int = 0
    idle_turns: int = 0
    failing_since_s: float | None = None
    last_error: str = ""

    @property
    def progress(self) -> int:
        """Moves with every alert that is done, and with every look that found none waiting."""
        return self.delivered + self.dead + self.suppressed + self.idle_turns

    def note_success(self, count: int) -> None:
        """So many alerts were taken."""
        self.delivered += count
        self.failing_since_s = None

    def note_failure(self, again: int, given_up: int, error: str, now_s: float) -> None:
        """An attempt failed: so many alerts are tried again, so many are dead letters."""
        self.failed += again
        self.dead += given_up
        self.last_error = error
        if self.failing_since_s is None:
            self.failing_since_s = now_s
