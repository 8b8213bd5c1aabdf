"""The settings of this process as they count: their value, where it comes from, what they mean. Secrets never."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

_SECRET = re.compile(r"secret|password|passphrase|token$|credential", re.IGNORECASE)
_IN_URL = re.compile(r"//[^/@\s]+@")


def effective(group: str, prefix: str, settings: BaseSettings, environment: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401  # JSON
    """Every field of `settings` in the shape of `Setting`; `environment`: by default that of the process."""
    return list(_each(group, prefix, settings, os.environ if environment is None else environment))


def _each(group: str, prefix: str, settings: BaseSettings, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    set_by = {name.upper() for name in environment}
    for name, field in type(settings).model_fields.items():
        value, variable = getattr(settings, name), f"{prefix}{name}".upper()
        default = field.get_default(call_default_factory=True, validated_data={})
        secret = isinstance(value, SecretStr) or bool(_SECRET.search(name))
        yield {
            "group": group,
            "name": variable,
            "value": _secret(value) if secret else _plain(value),
            "default": None if secret or default is PydanticUndefined else _plain(default),
            "source": "environment" if variable in set_by else "default" if value == default else "option",
            "meaning": field.description or name.replace("_", " "),
            "secret": secret,
        }


def _secret(value: object) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
    return "set" if text else "not set"


def _plain(value: object) -> Any:  # noqa: ANN401  # any JSON value
    """As JSON; what stands before an @ in a URL is nobody's business."""
    if isinstance(value, str | Path):
        return _IN_URL.sub("//***@", str(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
