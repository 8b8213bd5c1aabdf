"""The rules in force as the API knows them: the file that it was given, else the pack that comes with the program."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.runtime.logs import get_logger
from infra.runtime.positioned_yaml import MOST_BYTES
from infra.web.problem import Problem
from sinks.api.rules.check import check_text, default_text, mistakes
from sinks.api.scope import Scope

_NICE = 10
_log = get_logger("api")


@dataclass(frozen=True)
class Read:
    """A text and what was found in it; `pack` is empty where it cannot be used. `version` names the text."""

    text: str
    version: str
    valid: bool
    errors: list[dict[str, Any]]
    pack: dict[str, Any]


@dataclass
class RulesBook:
    """`file` None: the default pack. A text is checked once, whoever asks for it."""

    file: Path | None
    _read: Read | None = None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, *, nice: int = 0) -> Read:
        """How the rules are now. Raises `Problem` 503 where nothing can be said of them."""
        async with self._one:
            if self.file is None:
                self._read = self._read or await _checked(await default_text(nice=nice), nice)
                return self._read
            try:
                text = await asyncio.to_thread(_text, self.file)
            except (OSError, UnicodeDecodeError, _TooLargeError) as error:
                return _unreadable(error)
            if self._read is None or self._read.version != version_of(text):
                self._read = await _checked(text, nice)
            return self._read

    async def read_ahead(self, ready: asyncio.Event) -> None:
        """Once the process is `ready`, have the rules read before anybody asks: it takes a second or two, for which
        this stands back behind everything else."""
        await ready.wait()
        try:
            await self.read(nice=_NICE)
        except (Problem, OSError) as error:  # as no place for a file, no process to be had: whoever asks is told
            why = error.detail if isinstance(error, Problem) else repr(error)
            _log.warning("the rules were not read ahead", why=why)


def version_of(text: str) -> str:
    """A name of the text that no other has."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _text(file: Path) -> str:
    """Raises `OSError`, `UnicodeDecodeError`, `_TooLargeError`."""
    with file.open("rb") as source:
        raw = source.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise _TooLargeError
    return raw.decode()


async def _checked(text: str, nice: int) -> Read:
    found = await check_text(text, nice=nice)
    return Read(text, version_of(text), found["valid"], mistakes(found), found.get("pack", {}))


class _TooLargeError(Exception):
    """A file that nothing reads: half of it is not what it says."""


def _unreadable(error: OSError | UnicodeDecodeError | _TooLargeError) -> Read:
    message = f"the file of rules cannot be read: {_why(error)}"
    return Read("", version_of(""), False, [{"line": 1, "column": 1, "field": "", "message": message}], {})


def rules_for(pack: dict[str, Any], scope: Scope) -> list[dict[str, Any]]:
    """The rules that a scope may know of: a tenant those about everybody, and those about itself by name.

    What else a rule matches may name deployments, hosts and agents of others.
    """
    rules: list[dict[str, Any]] = pack.get("rules", [])
    if sees_all(scope):
        return rules
    return [rule for rule in rules if _is_for(rule.get("match") or {}, scope.tenant)]


def _is_for(match: dict[str, str], tenant: str | None) -> bool:
    return not match or (tenant is not None and match == {"user_id": tenant})


def sees_all(scope: Scope) -> bool:
    """Whether it is the whole fleet's."""
    return scope.tenant is None and not scope.agents


def _why(error: OSError | UnicodeDecodeError | _TooLargeError) -> str:
    if isinstance(error, _TooLargeError):
        return f"it is larger than {MOST_BYTES:,} bytes; make it smaller, or name another one by --rules"
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text in UTF-8"
