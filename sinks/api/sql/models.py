"""A question in SQL and its answer, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sinks.api.models import Answer

MAX_SQL_CHARS = 8_000
"""So that the audit trail holds every text whole."""


class SqlQuestion(BaseModel):
    """One SELECT."""

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_SQL_CHARS,
            description="one SELECT over the views; SHOW TABLES lists them",
            examples=["SELECT agent_id, trust FROM latest_trust ORDER BY trust LIMIT 5"],
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=100_000, description="so many rows at most; more are cut off")] = 1_000
    format: Literal["json", "csv", "parquet"] = "json"


class SqlColumn(Answer):
    """A column of the answer, with its Arrow type."""

    name: str
    type: str = Field(examples=["double"])


class SqlAnswer(Answer):
    """Rows as lists, in the order of `columns`: times in ISO 8601, bytes in base64, no NaN."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    row_count: int = Field(ge=0)
    truncated: bool = Field(description="whether there were more rows than the limit")
    took_ms: float = Field(ge=0)


class ExportQuestion(BaseModel):
    """One SELECT whose answer is to be a file."""

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[str, Field(min_length=1, max_length=MAX_SQL_CHARS, description="one SELECT over the views")]
    limit: Annotated[int, Field(ge=1, le=100_000)] = 100_000


class SchemaColumn(Answer):
    """A column that a text may name."""

    name: str = Field(examples=["cpu_usage"])
    type: str = Field(description="of DuckDB", examples=["DOUBLE"])
    unit: str = Field(description="empty where there is none", examples=["percent"])
    about: str
    folder: bool = Field(description="whether a filter on it leaves files unopened")


class SchemaTable(Answer):
    """A table or view that a text may name."""

    name: str = Field(examples=["metrics"])
    kind: Literal["table", "view"]
    about: str
    columns: list[SchemaColumn]


class SchemaFunction(Answer):
    """A function, with DuckDB's words."""

    name: str = Field(examples=["time_bucket"])
    parameters: str = Field(examples=["bucket_width, timestamp"])
    about: str


class SqlSchema(Answer):
    """What a text may name."""

    tables: list[SchemaTable]
    functions: list[SchemaFunction]
    keywords: list[str] = Field(examples=[["SELECT"]])
