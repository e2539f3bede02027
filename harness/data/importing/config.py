"""What ``import.yaml`` says: which files and columns are modalities, labels and subjects, and how windows are cut."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from harness.data.arrays import CODES, NAME
from harness.errors import DataError, StudyError
from harness.options import Options
from harness.reading import read_text
from harness.yaml.problems import problems_of
from harness.yaml.text import load

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
Column = str | int
TimeUnit = Literal["s", "ms", "us", "ns", "hms", "date", "samples"]
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def placeholders(pattern: str) -> set[str]:
    """The names in braces of a pattern of file names."""
    return set(PLACEHOLDER.findall(pattern))


class TextFormat(Options):
    """How text files (CSV, TSV, TXT) are written."""

    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1,
        description="delimiter; a space stands for any number of spaces; default: the most frequent of tab , ; | in "
        "the line of the names",
    )  # fmt: skip
    decimal: Literal[".", ","] = Field(default=".", description="decimal separator of numbers")
    encoding: str | None = Field(default=None, description="encoding; default: by the byte order mark, else UTF-8")
    skip_lines: int = Field(default=0, ge=0, description="lines before that of the names of the columns")
    header: bool = Field(default=True, description="whether a line has the names of the columns")
    unit_lines: int = Field(default=0, ge=0, description="lines between the names and the values, such as one of units")

    names: tuple[str, ...] = Field(default=(), description="names for all columns of files that have none")

    @model_validator(mode="after")
    def _names_are_missing(self) -> Self:
        if self.names and self.header:
            raise ValueError("names is for files without them; add header: false")
        return self

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        try:
            codecs.lookup(encoding or "utf-8")
        except LookupError:
            raise ValueError("is not an encoding; for example utf-8, utf-16 or cp1252") from None
        return encoding


class Clock(Options):
    """How times are written."""

    time_unit: TimeUnit = Field(
        default="s",
        description="unit of the time; hms for 14:05:06.5, date for dates with a time of day, samples for numbers of "
        "samples at the rate of the modality",
    )
    date_format: str | None = Field(
        default=None, description="form of the dates, such as '%d.%m.%Y %H:%M:%S.%f'; default: ISO 8601"
    )
    time_zone: str | None = Field(
        default=None,
        description="time zone of dates that state none, such as Europe/Berlin; default: that of all others",
    )
    from_start: bool = Field(default=False, description="count the time from the start of each recording")

    @model_validator(mode="after")
    def _of_dates(self) -> Self:
        for key in ("date_format", "time_zone"):
            if getattr(self, key) and self.time_unit != "date":
                raise ValueError(f"{key} is for time_unit: date")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        try:
            ZoneInfo(zone or "UTC")
        except (KeyError, ValueError, OSError):
            raise ValueError("is not a time zone; for example Europe/Berlin or UTC") from None
        return zone


class ModalityFiles(Clock):
    """The files and columns of one modality."""

    columns: tuple[Column, ...] = Field(min_length=1, description="the columns, by name, or by number from 0")
    where: dict[str, Column] = Field(
        default={}, description="column → value: the rows of this modality, if the rows of several are in one table"
    )
    rate: float = Field(gt=0, description="samples per second of the files")
    files: str | None = Field(default=None, description="the files, if the modality has files of its own")
    time: Column | tuple[Column, ...] | None = Field(
        default=None, description="the column of the time, or those of date and time; without one, only rate counts"
    )
    start_line: int | None = Field(
        default=None, ge=1, description="without a column of the time: the line, from 1, that begins with the time of "
        "the first sample",
    )  # fmt: skip
    offset: float = Field(default=0, description="seconds to add to the time, for a clock that is late")
    resample: float | None = Field(default=None, gt=0, description="samples per second after the import; default: rate")
    unit: str = Field(default="", description="unit of the values; kept in the description of the data")
    variable: str | None = Field(default=None, description="the array or struct inside .mat and .npz files")
    format: TextFormat | None = Field(default=None, description="how its text files are written, if not as the others")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.start_line is not None and self.time is not None:
            raise ValueError("start_line is for files without a column of the time; leave out one of them")
        return self

    @property
    def rate_after(self) -> float:
        return self.resample or self.rate

    @property
    def time_columns(self) -> tuple[str, ...]:
        columns = self.time if isinstance(self.time, tuple) else (() if self.time is None else (self.time,))
        return tuple(map(str, columns))


class ValueSource(Clock):
    """Where the label or the subject of a recording is given: in columns, in the file's name or in a table."""

    column: Column | None = Field(default=None, description="a column of the files")
    columns: tuple[Column, ...] | None = Field(
        default=None, min_length=2, description="one-hot columns of the files: the value is the name of the one with 1"
    )
    of: str | None = Field(default=None, description="the modality whose files have the column; default: the first")
    name: str | None = Field(default=None, description="a placeholder of files, such as subject")
    table: str | None = Field(
        default=None,
        description="a table with a column for each placeholder that it is selected by, or with placeholders in its "
        "name: a table for each recording",
    )
    file: Column | None = Field(default=None, description="column of the table: name of a file of the recording")
    value: Column = Field(default="label", description="the column of the table with the value")
    start: Column | None = Field(default=None, description="column of the table: time at which the value begins")
    end: Column | None = Field(
        default=None, description="column of the table: time at which the value ends; default: the next start"
    )
    duration: Column | None = Field(default=None, description="column of the table: duration, instead of end")
    where: dict[str, Column] = Field(default={}, description="column → value: the rows of the table that count")
    rename: dict[str, str] = Field(default={}, description="value as written → value; '' for none")
    format: TextFormat = Field(default=TextFormat(), description="how the table is written, if it is text")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.column, self.columns, self.name, self.table)) != 1:
            raise ValueError("needs exactly one of column, columns, name and table")
        of_table = {"file", "start", "end", "duration", "where"} & self.model_fields_set
        if of_table and self.table is None:
            raise ValueError(f"{min(of_table)} is for a table")
        if self.start is None and (self.end is not None or self.duration is not None):
            raise ValueError("end and duration need start")
        if self.end is not None and self.duration is not None:
            raise ValueError("has end or duration, not both")
        return self


class Windows(Options):
    """How recordings are cut, and which label a window gets."""

    seconds: float = Field(gt=0, description="length of a window")
    overlap: float = Field(default=0, ge=0, lt=1, description="fraction that a window shares with the next one")
    purity: float = Field(default=0.5, gt=0, le=1, description="least fraction of a window that must have its label")
    impure: Literal["drop", "unlabelled"] = Field(default="drop", description="what becomes of other windows")


class Missing(Options):
    """What becomes of missing values and of gaps in the time."""

    policy: Literal["refuse", "drop", "interpolate"] = Field(
        default="refuse", description="stop, drop the windows, or interpolate"
    )
    up_to: int = Field(
        default=5, ge=1, description="longest run of missing samples to interpolate; longer ones cost their windows"
    )


class ImportConfig(TextFormat):
    """The content of ``import.yaml``."""

    files: str = Field(description="the files below the folder, with placeholders, such as {subject}_{trial}.csv")
    exclude: tuple[str, ...] = Field(default=(), description="files to leave out, such as 's03_*.csv'")
    modalities: dict[str, ModalityFiles] = Field(min_length=1, description="name → files and columns")
    subject: ValueSource = Field(description="where the subject is given")
    label: ValueSource | None = Field(default=None, description="where the label is given; by default nowhere")
    windows: Windows = Field(description="how recordings are cut")
    split_by: tuple[Column, ...] = Field(
        default=(), description="columns whose values separate the recordings of a table that holds several"
    )
    null_labels: tuple[Column, ...] = Field(default=(), description="labels of the null class, such as 0 or other")
    null_class: Literal["keep", "drop", "unlabelled"] = Field(
        default="drop", description="what becomes of windows of the null class"
    )
    missing: Missing = Field(default=Missing(), description="what becomes of missing values and gaps")
    unordered: Literal["refuse", "sort"] = Field(
        default="refuse",
        description="rows whose time goes back or repeats: stop, or sort the rows and keep the first of each time",
    )
    variable: str | None = Field(default=None, description="the array or struct inside .mat and .npz files")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        of_files = placeholders(self.files)
        for name, modality in self.modalities.items():
            if not NAME.fullmatch(name) or name in (*CODES, "recording", "start"):
                raise ValueError(f"a modality can't be called {name!r}")
            if (own := placeholders(modality.files or self.files)) != of_files:
                raise ValueError(
                    f"modalities.{name}.files has the placeholders {sorted(own)}, but files {sorted(of_files)}, "
                    "by which the files of one recording are found"
                )
            if round(self.windows.seconds * modality.rate_after) < 1:
                raise ValueError(f"windows.seconds: a window of {self.windows.seconds} s has no sample of {name}")
        for what, source in (("subject", self.subject), ("label", self.label)):
            if source:
                self._check_source(what, source, of_files)
        if self.subject.start is not None:
            raise ValueError("subject.start: the subject is that of a whole recording")
        if len({modality.from_start for modality in self.modalities.values()}) > 1:
            raise ValueError("from_start: it is for all modalities or for none, because their times are compared")
        return self

    def _check_source(self, what: str, source: ValueSource, of_files: set[str]) -> None:
        known = ", ".join(sorted(of_files)) or "none"
        if source.name and source.name not in of_files:
            raise ValueError(f"{what}.name: files has no placeholder {{{source.name}}}; it has {known}")
        if unknown := sorted(placeholders(source.table or "") - of_files):
            raise ValueError(f"{what}.table: files has no placeholder {{{unknown[0]}}}; it has {known}")
        if source.of and source.of not in self.modalities:
            raise ValueError(f"{what}.of: there is no modality {source.of!r}; known: {', '.join(self.modalities)}")

    @property
    def split_columns(self) -> list[str]:
        return list(map(str, self.split_by))

    def format_of(self, modality: str) -> TextFormat:
        return self.modalities[modality].format or self

    def variable_of(self, modality: str) -> str | None:
        return self.modalities[modality].variable or self.variable


def read_config(path: Path) -> ImportConfig:
    """Read ``import.yaml``. Raises `DataError`, which names the file, the line and the key of each problem."""
    try:
        located = load(read_text(path), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: can't be read ({reason})") from error
    except StudyError as error:
        raise DataError(str(error)) from None
    if not isinstance(located.value, dict):
        raise DataError(f"{path}: should be a mapping with at least files, modalities, subject and windows")
    try:
        return ImportConfig.from_plain(located.value)
    except ValidationError as error:
        raise DataError("\n".join(map(str, problems_of(error, ImportConfig, located.location)))) from None
