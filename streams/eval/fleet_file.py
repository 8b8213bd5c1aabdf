"""Fleets that somebody describes, for `fleetpulse eval heartbeats`: a YAML file, or one kind of loss by options.

version: 1
fleets:
  - name: branch offices
    interval: 30s             # optional, as are jitter, delay, bar
    jitter: 0.05              # standard deviation of a beat's time, share of the interval
    delay: {median: 200ms, spread: 0.5}    # of the way; lognormal, spread = deviation of the logarithm
    kinds:                    # of loss; agents in equal parts, so one that stands twice counts twice
      - {loss: 0}
      - {loss: 0.05, burst: 2}             # without burst each beat is lost for itself
    bar: {timeout: 4.0, false: 25}         # intervals, false suspicions an agent-year; both at most
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from infra.runtime.placed_errors import mistakes_of
from infra.runtime.positioned_yaml import Mistake, YamlMistakeError, read_document
from streams.eval.fleets import Fleet, LossClass
from streams.eval.heartbeats import Bar


def _seconds(value: object) -> object:
    try:
        return parse_duration_s(value, "") if isinstance(value, str) else value
    except SettingError as error:
        raise ValueError(f"{error.problem}: write 30s or 200ms") from error


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Kind(_Strict):
    loss: float = Field(ge=0, le=0.5)
    burst: float | None = Field(default=None, ge=1, le=1_000)


class _Delay(_Strict):
    median: Seconds
    spread: float = Field(default=0.0, ge=0, le=3)


class _Bar(_Strict):
    timeout: float = Field(gt=0)
    false: float = Field(ge=0)


class _Fleet(_Strict):
    name: str = Field(min_length=1, max_length=60)
    kinds: tuple[_Kind, ...] = Field(min_length=1, max_length=100)
    interval: Annotated[Seconds, Field(gt=0)] = 30.0
    jitter: float = Field(default=0.0, ge=0, le=0.5)
    delay: _Delay = _Delay(median=0.0)
    bar: _Bar | None = None


class _File(_Strict):
    version: Literal[1]
    fleets: tuple[_Fleet, ...] = Field(min_length=1)


def loss_class(loss: float, burst: float | None) -> LossClass:
    """`loss`: share of beats lost, 0 to 0.5; `burst`: how many are lost in a row, mean; None = each for itself."""
    return LossClass(loss, loss if burst is None else 1 - 1 / burst)


def one_fleet(loss: float, burst: float | None, jitter: float, interval_s: float) -> Bar:
    """A fleet of one kind, without a bar."""
    return Bar(Fleet("given", (loss_class(loss, burst),), interval_s, jitter))


def load_fleets(path: Path) -> list[Bar]:
    """The fleets of a file, with their bars. Raises `SettingError` with file, line and column."""
    try:
        document = read_document(path)
        file = _File.model_validate(document.value)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}", setting="--fleet") from error
    except YamlMistakeError as error:
        raise _wrong(path, error.mistakes[0]) from error
    except ValidationError as error:
        raise _wrong(path, mistakes_of(error, _File, document)[0]) from error
    return [_bar_of(fleet) for fleet in file.fleets]


def _bar_of(given: _Fleet) -> Bar:
    kinds = tuple(loss_class(kind.loss, kind.burst) for kind in given.kinds)
    delay = given.delay
    fleet = Fleet(given.name, kinds, given.interval, given.jitter, delay.median, delay.spread)
    return Bar(fleet) if given.bar is None else Bar(fleet, given.bar.timeout, given.bar.false)


def _wrong(path: Path, mistake: Mistake) -> SettingError:
    where = f"{mistake.where}: " if mistake.where else ""
    text = f"{path}, line {mistake.line}, column {mistake.column}: {where}{mistake.problem}"
    return SettingError(text, setting="--fleet")
