"""A table on a wide terminal, a block a row on a narrow one."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from infra.runtime.narrow import Narrowable


def shown(width: int, least: int | None = None) -> list[str]:
    table = Table("agent", "sessions", show_footer=True)
    table.columns[0].footer, table.columns[1].footer = "all 2", "7"
    table.add_row("an-agent-with-a-name", "3")
    table.add_row("b", "4")
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(Narrowable(table, least))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_where_a_cell_would_be_broken_each_row_is_a_block() -> None:
    assert len(shown(40)) == 8
    assert shown(30) == [
        "─ 1 ──────────────────────────",
        "agent     an-agent-with-a-name",
        "sessions  3",
        "─ 2 ──────────────────────────",
        "agent     b",
        "sessions  4",
        "─ 3 ──────────────────────────",
        "agent     all 2",
        "sessions  7",
    ]


def test_a_table_of_sentences_may_break_them_down_to_a_least_width() -> None:
    assert shown(30, least=25)[0].startswith("┏")
    assert shown(30, least=31)[0].startswith("─ 1 ")
