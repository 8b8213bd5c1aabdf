"""Mistakes that name a rule as people do: `rules[cpu_high].for`, where its name can be read, else by its number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from infra.runtime.positioned_yaml import Mistake

_IN_A_LIST = re.compile(r"^(\w+)\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}")


def named(mistake: Mistake, document: Any) -> Mistake:  # noqa: ANN401  # whatever was written
    """The same, with the name of the item of the document's list that it is about."""
    found = _IN_A_LIST.match(mistake.where)
    name = None if found is None else _name_of(document, found[1], int(found[2]))
    if found is None or name is None:
        return mistake
    return replace(mistake, where=f"{found[1]}[{name}]{mistake.where[found.end() :]}")


def _name_of(document: Any, section: str, index: int) -> str | None:  # noqa: ANN401  # as above
    items = document.get(section) if isinstance(document, dict) else None
    item = items[index] if isinstance(items, list) and index < len(items) else None
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None
