"""Fields and records of delimited text, counted with array operations over whole blocks of bytes."""

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.tables.limits import Limits, size
from engine.tables.text import Block

_LF, _CR, _QUOTE = 10, 13, 34
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


class Fields:
    """Counts fields from block to block; between blocks it remembers how the open record began."""

    def __init__(self, width: int, delimiter: str, limits: Limits) -> None:
        self._width, self._limits, self._delimiter = width, limits, ord(delimiter)
        self.rows = self.longest = self.records = self.carriage = 0
        self._quoted = False
        self._quote_line = 0
        self._fields = 0  # delimiters so far in the open record
        self._record_bytes = self._field_bytes = 0  # of the open record and field
        self._record_line = 2

    def ends(self, records: int, carriage: int) -> None:
        """Count ends of records, and how many of them are CR LF."""
        self.records, self.carriage = self.records + records, self.carriage + carriage

    def add(self, block: Block) -> None:
        """Check one more block."""
        data = np.frombuffer(block.data, dtype=np.uint8)
        at = np.flatnonzero((data == _LF) | (data == _QUOTE) | (data == self._delimiter))
        symbol = data[at]
        self._first_line, self._newlines = block.line, at[symbol == _LF]
        if self._quoted or b'"' in block.data:
            at, symbol = self._outside_quotes(block, data, at, symbol)
        elif b"\r" in block.data:
            self._lone_returns(block, data, None)
        self._fields_and_lengths(block, data, at, symbol)
        if self.rows > self._limits.max_rows:
            raise InvalidInput(f"the table has more than {self._limits.max_rows:,} rows; split it")

    def finish(self) -> None:
        """Check what can only be known at the end of the file."""
        if self._quoted:
            raise InvalidInput(
                f"the quote that opens on line {self._quote_line} is never closed; close it, or double it if it is text"
            )
        if not self.rows:
            raise InvalidInput("the file has a header but no rows")

    def _line_at(self, position: int) -> int:
        return self._first_line + int(np.searchsorted(self._newlines, position))

    def _outside_quotes(
        self, block: Block, data: Bytes, at: Positions, symbol: Bytes
    ) -> tuple[Positions, Bytes]:
        quote = symbol == _QUOTE
        inside = np.logical_xor.accumulate(quote) ^ self._quoted  # after each symbol
        opening, closing = at[quote & inside], at[quote & ~inside]
        before = data[opening - 1]  # at position 0 this wraps round to the newline that ends every block
        after = data[closing + 1]  # never past the end, for the same reason
        bad_open = opening[~np.isin(before, (self._delimiter, _LF, _QUOTE))]
        bad_close = closing[~np.isin(after, (self._delimiter, _LF, _CR, _QUOTE))]
        if bad_open.size and not (bad_close.size and bad_close[0] < bad_open[0]):
            raise InvalidInput(
                f"line {self._line_at(bad_open[0])} has a quote in the middle of a field; "
                "put the whole field in quotes and double the quotes inside"
            )
        if bad_close.size:
            opened = opening[opening < bad_close[0]]
            start = self._line_at(opened[-1]) if opened.size else self._quote_line
            raise InvalidInput(
                f"the quoted field that starts on line {start} is closed on line {self._line_at(bad_close[0])} and then "
                "goes on; double the quotes inside a quoted field"
            )
        if b"\r" in block.data:
            self._lone_returns(block, data, at[quote])
        if opening.size:
            self._quote_line = self._line_at(opening[-1])
        self._quoted = bool(inside[-1]) if inside.size else self._quoted
        keep = ~quote & ~inside
        return at[keep], symbol[keep]

    def _lone_returns(self, block: Block, data: Bytes, quotes: Positions | None) -> None:
        returns = np.flatnonzero(data == _CR)
        alone = returns[data[returns + 1] != _LF]
        if quotes is not None and alone.size:
            alone = alone[((np.searchsorted(quotes, alone) + self._quoted) & 1) == 0]
        if alone.size:
            raise InvalidInput(
                f"line {self._line_at(alone[0])} holds a carriage return without a line feed; "
                "save the file with ordinary line ends (LF or CR LF)"
            )

    def _fields_and_lengths(self, block: Block, data: Bytes, at: Positions, symbol: Bytes) -> None:
        ends = np.flatnonzero(symbol == _LF)
        last = at[-1] if at.size else -1 - self._field_bytes
        open_bytes = data.size - 1 - last
        lengths = np.diff(at, prepend=-1 - self._field_bytes) - 1
        if max(lengths.max(initial=0), open_bytes) > self._limits.max_cell_bytes:
            self._long_field(block, at, ends, lengths)
        if ends.size:
            stops = at[ends]
            starts = np.concatenate(([0], stops[:-1] + 1))
            sizes = np.diff(stops, prepend=-1 - self._record_bytes) - 1
            fields = np.diff(ends, prepend=-1)
            fields[0] += self._fields
            carriage = (data[stops - 1] == _CR) & (sizes > 0)  # the byte before position 0 is an LF too
            blank = (
                (fields == 1) & (sizes - carriage == 0) if self._width > 1 else np.zeros(ends.size, np.bool_)
            )
            wrong = np.flatnonzero((fields != self._width) & ~blank)
            if wrong.size:
                line = self._record_line if wrong[0] == 0 else self._line_at(starts[wrong[0]])
                self._ragged(line, int(fields[wrong[0]]))
            self.rows += int(ends.size - np.count_nonzero(blank))
            self.longest = max(self.longest, int(sizes.max()))
            self.ends(int(ends.size), int(np.count_nonzero(carriage)))
            self._record_line = self._line_at(int(stops[-1]) + 1)
            self._record_bytes = int(data.size - 1 - stops[-1])
            self._fields = int(symbol.size - 1 - ends[-1])
        else:
            self._record_bytes += data.size
            self._fields += symbol.size
        self._field_bytes = int(open_bytes)
        if self._record_bytes > self._limits.max_row_bytes or self.longest > self._limits.max_row_bytes:
            raise InvalidInput(
                f"a row near line {self._record_line} is longer than {size(self._limits.max_row_bytes)}; "
                "is a quote left open?"
            )

    def _ragged(self, line: int, found: int) -> None:
        more = "more" if found > self._width else "fewer"
        remedy = (
            f"put text that holds the delimiter {chr(self._delimiter)!r} in quotes"
            if found > self._width
            else "leave an empty field where a value is missing"
        )
        raise InvalidInput(
            f"line {line} has {found} field{'s' * (found != 1)}, {more} than the {self._width} "
            f"that the header names; {remedy}"
        )

    def _long_field(self, block: Block, at: Positions, ends: Positions, lengths: Positions) -> None:
        long = np.flatnonzero(lengths > self._limits.max_cell_bytes)
        position = int(at[long[0] - 1]) + 1 if long.size and long[0] else 0
        line = self._line_at(position) if position else self._record_line
        if not long.size:
            line = self._line_at(int(at[-1]) + 1) if at.size else self._record_line
        raise InvalidInput(
            f"a field that starts on line {line} is longer than {size(self._limits.max_cell_bytes)}; "
            "is a quote left open?"
        )
