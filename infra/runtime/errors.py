"""Errors that a person can act on: one line that names the setting and the way out, exit code 2."""

from __future__ import annotations

EXIT_USER_ERROR = 2


class FleetpulseError(Exception):
    """A mistake or an absence outside the program that its user can mend.

    The command line prints it as one line without a stack trace and exits with `EXIT_USER_ERROR`.
    """

    def __init__(self, problem: str, *, setting: str | None = None, way_out: str | None = None) -> None:
        self.problem = problem
        self.setting = setting
        self.way_out = way_out
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.problem
        if self.setting:
            text += f" (setting {self.setting})"
        if self.way_out:
            text += f". {self.way_out}"
        return text


class SettingError(FleetpulseError):
    """A setting has a value that cannot be used."""


class BrokerUnreachableError(FleetpulseError):
    """No broker answers at the bootstrap address."""


class BrokerStartError(FleetpulseError):
    """A local broker could not be started."""


class LakeError(FleetpulseError):
    """The lake folder cannot be read or written, or holds what it should not."""


class TopicMismatchError(FleetpulseError):
    """A topic on the broker differs from the catalogue in a way that would lose or scatter events."""


class QueryRefusedError(FleetpulseError):
    """A SQL text that is not one SELECT, or that passed a limit."""
