"""Tables that a narrow terminal does not turn to rubble: there each row is a block of lines, NAME VALUE."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200
"""Characters a line for who reads from a pipe or file, where nothing says how wide a line may be."""
_UNBOUNDED, _LONGEST_LINE = 100_000, 40


def wide_console() -> Console:
    """Standard output: a terminal at its width, a pipe or file wide and without colours."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


@dataclass(frozen=True)
class Narrowable:
    """A table where there are `least` characters a line, blocks where not. None: as many as it takes to break no cell,
    as psql's `\\x auto` does. A footer becomes the last block."""

    table: Table
    least: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints."""
        if options.max_width >= (self.least or self._wanted(console, options)):
            yield self.table
            return
        if self.table.title is not None:
            yield self.table.title
        for number, values in enumerate(self._rows(), 1):
            yield Text(f"─ {number} ".ljust(min(options.max_width, _LONGEST_LINE), "─"), style="dim")
            yield self._block(values)

    def _wanted(self, console: Console, options: ConsoleOptions) -> int:
        return Measurement.get(console, options.update(width=_UNBOUNDED), self.table).maximum

    def _rows(self) -> Iterator[tuple[RenderableType, ...]]:
        yield from zip(*(column.cells for column in self.table.columns), strict=True)
        if self.table.show_footer:
            yield tuple(column.footer for column in self.table.columns)

    def _block(self, values: tuple[RenderableType, ...]) -> Table:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(no_wrap=True, style="dim")
        block.add_column(overflow="fold")
        for column, value in zip(self.table.columns, values, strict=True):
            block.add_row(column.header, value)
        return block
