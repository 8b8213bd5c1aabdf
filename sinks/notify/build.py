"""Channels from their settings."""

from __future__ import annotations

from typing import TextIO

from infra.runtime.clock import Clock
from infra.runtime.errors import FleetpulseError, SettingError
from sinks.notify.channel import Channel, RefusedError
from sinks.notify.settings import AnyChannel, AppriseSettings, ConsoleSettings, JsonSettings
from sinks.notify.streams import ConsoleChannel, JsonChannel


def build(settings: AnyChannel, clock: Clock, stream: TextIO) -> Channel:
    """The channel. Raises `SettingError` or, where a library is missing, `FleetpulseError`."""
    if isinstance(settings, ConsoleSettings):
        return ConsoleChannel(stream, clock, settings.name)
    if isinstance(settings, JsonSettings):
        return JsonChannel(stream, clock, settings.name)
    try:
        return _with_libraries(settings, clock)
    except ModuleNotFoundError as error:
        raise FleetpulseError(
            f"the channel {settings.name} needs the module {error.name}, which is not installed",
            way_out="Install the extra that has it: pip install 'fleetpulse[notify]'",
        ) from error


def _with_libraries(settings: AnyChannel, clock: Clock) -> Channel:
    # Who only uses the console needs neither aiohttp nor Apprise.
    from sinks.notify import webhook  # noqa: PLC0415  # see above
    from sinks.notify.settings import AlertmanagerSettings, WebhookSettings  # noqa: PLC0415  # see above

    if isinstance(settings, AppriseSettings):
        from sinks.notify.apprise_channel import AppriseChannel  # noqa: PLC0415  # see above

        try:
            return AppriseChannel(settings, clock)
        except RefusedError as error:
            raise SettingError(
                f"channel {settings.name}: {error}", setting="--channels or FLEETPULSE_CHANNELS"
            ) from None
    if isinstance(settings, WebhookSettings):
        return webhook.WebhookChannel(settings, clock)
    if isinstance(settings, AlertmanagerSettings):
        return webhook.AlertmanagerChannel(settings, clock)
    assert not isinstance(settings, ConsoleSettings | JsonSettings)
    return webhook.PagerDutyChannel(settings, clock)
