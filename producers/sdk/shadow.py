"""Our top-level packages have plain names (`schemas`, `infra`); a host's module of the same name may come first.

What follows from that is an error about a module that is missing, far from its cause. So it is said here, at import.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_OURS = {"producers": "producers.sdk", "schemas": "schemas.record", "infra": "infra.runtime"}
_ROOT = Path(__file__).resolve().parents[2]


def refuse_shadows(root: Path = _ROOT) -> None:
    """Raises `ImportError`, which names the file and the way out, when one of our packages is not the one in `root`.

    A folder without `__init__.py` hides nothing as long as what is in our package is still found.
    """
    for name, inside in _OURS.items():
        found = _where(name)
        if found is not None and not _ours(found, root / name) and not _ours(_where(inside) or [], root / name):
            place = found[0] if found else "?"
            raise ImportError(
                f"{place} hides fleetpulse's package {name!r} ({root / name}): both have the same name, and yours "
                "comes first. Rename yours, or move its folder behind fleetpulse's on sys.path "
                f"({_position(place)})",
                name=name,
                path=place,
            )


def _where(name: str) -> list[str] | None:
    """Files and folders of the package that `import name` gives; None when there is none."""
    module = sys.modules.get(name)
    if module is not None:
        return [*map(str, getattr(module, "__path__", [])), *filter(None, [getattr(module, "__file__", None)])]
    parent = name.rpartition(".")[0]
    if parent and not _is_namespace(parent):
        return None  # to look inside would run it
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    return [*(spec.submodule_search_locations or []), *([spec.origin] if spec.origin else [])]


def _is_namespace(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is None


def _ours(places: list[str], folder: Path) -> bool:
    return any(_within(place, folder) for place in places)


def _within(place: str, folder: Path) -> bool:
    path = Path(place).resolve()
    return path == folder or folder in path.parents


def _position(place: str) -> str:
    for index, entry in enumerate(sys.path):
        if Path(entry or ".").resolve() in Path(place).resolve().parents:
            return f"sys.path[{index}] is {entry!r}"
    return "imported before"
