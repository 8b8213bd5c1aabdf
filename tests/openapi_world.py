"""schemathesis against a server of ours: what its document allows, and what it does not, is answered as it says."""

from __future__ import annotations

import re
from collections.abc import Collection
from copy import deepcopy
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
schemathesis.serializer.alias("application/vnd.fleetpulse.events", "application/octet-stream")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


def _without_keys(document: dict[str, Any]) -> dict[str, Any]:
    """The document as if nothing needed a key: all requests carry one, and schemathesis would vary it."""
    copied: dict[str, Any] = deepcopy(document)
    del copied["components"]["securitySchemes"]
    for path in copied["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return copied


def open_to_strangers(document: dict[str, Any], url: str) -> list[str]:
    """Operations that the document calls protected and that answer something else than 401 to who shows no key."""
    found = []
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            body = b"{}" if verb == "post" else None
            asked = httpx.request(verb, url + re.sub(r"\{\w+\}", "x", path), content=body, timeout=60)
            if {} not in operation.get("security", [{}]) and asked.status_code != 401:
                found.append(f"{verb} {path}: {asked.status_code}")
    return found


def _modes(operation: dict[str, Any]) -> list[GenerationMode]:
    """Nothing wrong can be sent where nothing is taken. Of a path any text is right, which is slow to find out."""
    takes = "requestBody" in operation or any(each["in"] == "query" for each in operation.get("parameters", []))
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes else [GenerationMode.POSITIVE]


def _holds_nothing(query: object) -> bool:
    """Whether some value is null or empty: in an address it is absent or a text, and then nothing is wrong."""
    if isinstance(query, dict):
        return any(each in (None, [], {}) or _holds_nothing(each) for each in query.values())
    return isinstance(query, list) and any(each in (None, [], {}) or _holds_nothing(each) for each in query)


def abuse(
    document: dict[str, Any],
    url: str,
    headers: dict[str, str],
    *,
    examples: int,
    leave_out: Collection[str] = (),
    lenient: bool = False,
) -> int:
    """Send `examples` requests that fit, and as many that do not, to every operation, not to the paths `leave_out`.

    `lenient`: what does not fit may be taken as well, where a server is to make the best of what clients send.
    Blocks: for a thread. Returns how many requests were sent. Raises `AssertionError` of all that the checks found.
    """
    schema = schemathesis.openapi.from_dict(_without_keys(document))
    schema.config.update(base_url=url)
    schema.config.checks.negative_data_rejection.expected_statuses = ["400", "403", "404", "405", "413", "415", "422"]
    checks = CHECKS if lenient else [*CHECKS, negative_data_rejection]
    sent, found = 0, []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path in leave_out:
            continue
        for mode in _modes(operation.definition.raw):

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def attack(case: Any) -> None:  # noqa: ANN401  # schemathesis' Case
                nonlocal sent
                assume(mode is GenerationMode.POSITIVE or not _holds_nothing(case.query))  # noqa: B023  # called at once
                sent += 1
                case.call_and_validate(base_url=url, headers=headers, checks=checks, timeout=60)

            try:
                attack()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # any body and any text is right
            except FailureGroup as failures:  # all operations are tried before the first is told
                found += [f"{operation.label} ({mode.value}): {failures}"]
    found += open_to_strangers(document, url)
    assert not found, "\n".join(found)
    return sent
