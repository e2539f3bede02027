"""Reading delimited text, from a file or a member of a zip file, with bad rows named by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from harness.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

NO_NUMBER = ["", "nan", "NaN", "NA", "null", "NULL"]
ColumnType = Literal["float32", "float64", "text"]


@dataclass(frozen=True)
class DelimitedText:
    """A table as text. Empty lines are no rows.

    open: opens the text anew, because it is read again to find the line of an error. where: the file, for messages.
    header: whether a line has the names of the columns. skip_lines: before that line. unit_lines: after that line.
    """

    open: Callable[[], BinaryIO]
    where: str
    delimiter: str = ","
    header: bool = False
    encoding: str = "utf-8"
    decimal: str = "."
    skip_lines: int = 0
    unit_lines: int = 0

    @property
    def lines_before(self) -> int:
        """The number of lines before the first row."""
        return self.skip_lines + int(self.header) + self.unit_lines

    def read(self, names: Sequence[str], types: Mapping[str, ColumnType]) -> pd.DataFrame:
        """Some columns; those of type "text" are categories.

        names: of all columns, in order. types: of the columns to read. Raises `DataError`, which names the line of a
        row with a wrong number of values or with a value that is no number.
        """
        import pyarrow as pa

        try:
            return self._read(names, types, use_threads=True)
        except (pa.ArrowInvalid, OSError, UnicodeError):
            try:
                return self._read(names, types, use_threads=False)  # slower, but its errors name the row
            except (pa.ArrowInvalid, OSError, UnicodeError) as error:
                raise self._bad_row(str(error), names) from None

    def read_named(self, types: Mapping[str, ColumnType]) -> pd.DataFrame:
        """The columns with these names in the first line. Raises `DataError` if there is no such column."""
        with self.open() as stream:
            first = stream.readline().decode("utf-8-sig", errors="replace")
        names = [name.strip() for name in next(csv.reader([first], delimiter=self.delimiter), [])]
        for name in types:
            if name not in names:
                raise DataError(f"{self.where}:1: there is no column {name!r}: {did_you_mean(name, names)}")
        return self.read(names, types)

    def _read(self, names: Sequence[str], types: Mapping[str, ColumnType], use_threads: bool) -> pd.DataFrame:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        text = pa.dictionary(pa.int32(), pa.string())
        column_types = {name: text if kind == "text" else pa.type_for_alias(kind) for name, kind in types.items()}
        with self.open() as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, skip_rows=self.lines_before, encoding=self.encoding, use_threads=use_threads
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(types),
                    column_types=column_types,
                    null_values=NO_NUMBER,
                    strings_can_be_null=False,
                    decimal_point=self.decimal,
                ),
            )
        return table.to_pandas(split_blocks=True, self_destruct=True)

    def _bad_row(self, message: str, names: Sequence[str]) -> DataError:
        """An error of the parser with the line and the name of the column."""
        row, column = re.search(r"Row #(\d+): (.*)", message, re.DOTALL), re.search(r"column #(\d+)", message)
        if row is None:
            return DataError(f"{self.where}: can't be read ({message})")
        line = f"{self.where}:{self.line_of(int(row[1]) - 1 - self.lines_before)}"
        if "invalid UTF8" in row[2]:
            return DataError(f"{line}: it is not UTF-8; name its encoding, such as cp1252")
        value = re.search(r"invalid value '(.*)'", row[2], re.DOTALL)
        if value and column:
            name = names[int(column[1])]
            hint = " (a decimal comma?)" if self.decimal == "." and re.fullmatch(r"[-+]?\d*,\d+", value[1]) else ""
            return DataError(f"{line}: {'column ' * name.isdigit()}{name} is {value[1]!r}, which is not a number{hint}")
        return DataError(f"{line}: {row[2].strip()}")

    def line_of(self, row: int) -> int:
        """The line, from 1, of a row, from 0. A row that is not there has the line of its number."""
        with self.open() as stream, io.TextIOWrapper(stream, self.encoding, errors="replace") as text:
            lines = ((number, line) for number, line in enumerate(text, 1) if number > self.lines_before)
            rows = (number for number, line in lines if line.strip("\r\n"))
            return next(islice(rows, row, None), row + 1 + self.lines_before)

    def labels(self, column: pd.Series, label_of: Mapping[str, int], what: str) -> np.ndarray:
        """The labels for the codes in a column, (n,) int64. Raises `DataError`, which names the line, for other codes.

        label_of: the text of each code → its label. what: the data set, for the message.
        """
        import pandas as pd

        numbers, values = pd.factorize(column)
        texts = ["" if value != value else f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        known = np.array([label_of.get(text, UNKNOWN) for text in [*texts, ""]], dtype=np.int64)
        labels: np.ndarray = known[numbers]
        if (wrong := labels == UNKNOWN).any():
            row = int(np.argmax(wrong))
            code = texts[numbers[row]] if numbers[row] >= 0 else ""
            raise DataError(
                f"{self.where}:{self.line_of(row)}: there is no activity {code!r}; {what} has "
                f"{', '.join(text for text in label_of)}"
            )
        return labels


UNKNOWN = -2


def single_spaces(text: bytes) -> bytes:
    """The text with one space between two values and none at the ends of lines."""
    if any(some in text for some in (b"  ", b"\t", b" \n", b" \r", b"\n ")) or text.startswith(b" "):
        return b"\n".join(b" ".join(line.split()) for line in text.split(b"\n"))
    return text
