"""What ``import.yaml`` says: which files and columns are modalities, labels and subjects, and how windows are cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from harness.data.arrays import CODES, NAME
from harness.errors import DataError, StudyError
from harness.options import Options
from harness.reading import read_text
from harness.yaml.problems import problems_of
from harness.yaml.text import load

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
TimeUnit = Literal["s", "ms", "us", "ns", "date"]
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class ModalityFiles(Options):
    """The files and columns of one modality."""

    columns: tuple[str | int, ...] = Field(min_length=1, description="the columns, by name, or by number from 0")
    rate: float = Field(gt=0, description="samples per second of the files")
    files: str | None = Field(default=None, description="the files, if the modality has files of its own")
    time: str | int | None = Field(default=None, description="the column of the time; without one, only rate counts")
    time_unit: TimeUnit = Field(default="s", description="unit of the time; date for dates with a time of day")
    offset: float = Field(default=0, description="seconds to add to the time, for a clock that is late")
    resample: float | None = Field(default=None, gt=0, description="samples per second after the import; default: rate")
    unit: str = Field(default="", description="unit of the values; kept in the description of the data")

    @property
    def rate_after(self) -> float:
        return self.resample or self.rate


class ValueSource(Options):
    """Where the label or the subject of a recording stands: in a column, in the file's name or in a table."""

    column: str | int | None = Field(default=None, description="a column of the files")
    of: str | None = Field(default=None, description="the modality whose files have the column; default: the first")
    name: str | None = Field(default=None, description="a placeholder of files, such as subject")
    table: str | None = Field(
        default=None, description="a table with a column for each placeholder that it is selected by"
    )
    value: str = Field(default="label", description="the column of the table with the value")
    start: str | None = Field(default=None, description="column of the table: where the value begins, in seconds")
    end: str | None = Field(default=None, description="column of the table: where the value ends, in seconds")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.column, self.name, self.table)) != 1:
            raise ValueError("needs exactly one of column, name and table")
        if (self.start is None) != (self.end is None) or (self.start and not self.table):
            raise ValueError("start and end are given together, and with a table")
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


class ImportConfig(Options):
    """The content of ``import.yaml``."""

    files: str = Field(description="the files below the folder, with placeholders, such as {subject}_{trial}.csv")
    modalities: dict[str, ModalityFiles] = Field(min_length=1, description="name → files and columns")
    subject: ValueSource = Field(description="where the subject stands")
    label: ValueSource | None = Field(default=None, description="where the label stands; by default nowhere")
    windows: Windows = Field(description="how recordings are cut")
    split_by: tuple[str, ...] = Field(
        default=(), description="columns whose values separate the recordings of a table that holds several"
    )
    null_labels: tuple[str, ...] = Field(default=(), description="labels of the null class, such as '0' or 'other'")
    null_class: Literal["keep", "drop", "unlabelled"] = Field(
        default="drop", description="what becomes of windows of the null class"
    )
    missing: Missing = Field(default=Missing(), description="what becomes of missing values and gaps")
    header: bool = Field(default=True, description="whether the first line of CSV files has the names of the columns")
    delimiter: str | None = Field(default=None, description="delimiter of CSV files; default: comma, or tab for .tsv")
    variable: str | None = Field(default=None, description="the array inside .mat files")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        placeholders = self.placeholders(self.files)
        for name, modality in self.modalities.items():
            if not NAME.fullmatch(name) or name in (*CODES, "recording", "start"):
                raise ValueError(f"a modality can't be called {name!r}")
            if (own := self.placeholders(modality.files or self.files)) != placeholders:
                raise ValueError(
                    f"modalities.{name}.files has the placeholders {sorted(own)}, but files {sorted(placeholders)}, "
                    "by which the files of one recording are found"
                )
        for what, source in (("subject", self.subject), ("label", self.label)):
            if source and source.name and source.name not in placeholders:
                known = ", ".join(sorted(placeholders)) or "none"
                raise ValueError(f"{what}.name: files has no placeholder {{{source.name}}}; it has {known}")
            if source and source.of and source.of not in self.modalities:
                raise ValueError(f"{what}.of: there is no modality {source.of!r}; known: {', '.join(self.modalities)}")
        for name, modality in self.modalities.items():
            if round(self.windows.seconds * modality.rate_after) < 1:
                raise ValueError(f"windows.seconds: a window of {self.windows.seconds} s has no sample of {name}")
        return self

    @staticmethod
    def placeholders(pattern: str) -> set[str]:
        return set(PLACEHOLDER.findall(pattern))


def read_config(path: Path) -> ImportConfig:
    """Read ``import.yaml``. Raises `DataError`, which names the file, the line and the key of each problem."""
    try:
        located = load(read_text(path), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read ({error.strerror if isinstance(error, OSError) else error})") from error
    except StudyError as error:
        raise DataError(str(error)) from None
    if not isinstance(located.value, dict):
        raise DataError(f"{path}: should be a mapping with at least files, modalities, subject and windows")
    try:
        return ImportConfig.from_plain(located.value)
    except ValidationError as error:
        raise DataError("\n".join(map(str, problems_of(error, ImportConfig, located.location)))) from None
