"""A study: one YAML file that asks a question, checked completely before anything starts.

Names are checked against the registry, options against the models of the stages, methods and data sets, and sweeps
value by value. All problems are reported together, each with its file, line and key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import harness
from harness.errors import InputError, Problem, StudyError
from harness.reading import read_text
from harness.study.check import by_line, check
from harness.study.model import DatasetEntry, SharedKeys, StudyFile
from harness.study.overrides import apply_override
from harness.study.settings import Settings, TrialOptions, Value, flatten
from harness.study.size import MAX_TRIALS, check_size
from harness.study.space import Dimension, dimension
from harness.study.valid_part import valid_part
from harness.yaml.limits import MAX_BYTES
from harness.yaml.problems import problems_of
from harness.yaml.text import Located, load

__all__ = [
    "MAX_TRIALS",
    "DatasetEntry",
    "Settings",
    "Study",
    "StudyFile",
    "bundled_studies",
    "find_study",
    "parse_study",
    "read_study",
]


@dataclass(frozen=True)
class SearchedOption:
    """An option that is searched: its distribution, its path among the settings, and its location in the study."""

    dimension: Dimension
    path: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Study:
    """A checked study: its parsed file, its text, and the options of each of its trials."""

    file: StudyFile
    located: Located
    text: str
    path: Path
    overrides: tuple[str, ...]

    def settings(self, entry: DatasetEntry, method: str, point: Mapping[str, Any], source: str = "sweep") -> Settings:
        """The options of one data set and method at one point of the sweep. Raises `StudyError`."""
        settings, problems = self._trial(entry, method).settings(point, source)
        if settings is None:
            raise StudyError(problems)
        return settings

    def searched(self, entry: DatasetEntry, method: str) -> dict[str, SearchedOption]:
        """The options searched for one data set and method, by dotted name; {} if none is."""
        if not self.file.search:
            return {}
        space = self.file.search.space
        return {
            dotted: SearchedOption(dimension(space[dotted]), path, self.located.location(("search", "space", dotted)))
            for path, dotted in self._trial(entry, method).applicable(space).items()
        }

    def values(self) -> dict[str, Value]:
        """The values that belong to the study as a whole and not to a trial: dotted key → value and its source."""
        others = {"study", "title", "question", "datasets", *SharedKeys.model_fields}
        leaves = flatten(self.file.model_dump(mode="json", exclude=others), (), self._source)
        return {".".join(path): leaf for path, leaf in leaves.items()}

    def folds_in_force(self, entry: DatasetEntry) -> dict[str, Value]:
        """The options of a data set's folds, with their sources; {} if it has none."""
        if not (folds := self.file.folds_of(entry)):
            return {}
        base: tuple[str | int, ...] = (
            ("datasets", self.file.datasets.index(entry), "folds") if entry.folds else ("folds",)
        )
        return {
            name: Value(value, self._source((*base, name)))
            for name, value in folds.to_json().items()
            if value is not None
        }

    def swept(self) -> Iterator[tuple[str, str, Value]]:
        """Each data set's swept options, as (data set, option, list of values with its source)."""
        for index, entry in enumerate(self.file.datasets):
            base: tuple[str | int, ...] = () if entry.sweep is None else ("datasets", index)
            for option, values in self.file.sweep_of(entry).items():
                yield entry.name, option, Value(values, self.located.location((*base, "sweep", option)))

    def _source(self, path: tuple[str | int, ...]) -> str:
        node: Any = self.located.value
        for name in path:
            if isinstance(node, dict) and name not in node:
                return "default"
            node = node[name]
        return self.located.location(path)

    def _trial(self, entry: DatasetEntry, method: str) -> TrialOptions:
        index = [known.name for known in self.file.datasets].index(entry.name)
        return TrialOptions(self.located, index, entry, method)


def bundled_studies() -> list[Path]:
    """The studies bundled with the package: inside it if it is installed, next to it in a checkout."""
    package = Path(harness.__file__).parent
    folder = next((folder for folder in (package / "studies", package.parent / "studies") if folder.is_dir()), None)
    return sorted(folder.glob("*.yaml")) if folder else []


def find_study(path: Path) -> Path:
    """The path of a study, given as a path, or of a bundled one, given as ``NAME`` or ``studies/NAME.yaml``."""
    bundled = {study.stem: study for study in bundled_studies()}
    if path.exists() or path not in (Path(path.stem), Path("studies", f"{path.stem}.yaml")):
        return path
    return bundled.get(path.stem, path)


def read_study(path: Path, overrides: Sequence[str] = (), max_trials: int = MAX_TRIALS) -> Study:
    """Read and check a study file. ``overrides`` are strings ``key=value`` that take precedence over it.

    max_trials: more trials than this, with those of a search, are an error. Raises `StudyError` with all problems of
    the study, or `InputError` if the file can't be read.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(f"there is no study {path}; `harness list studies` shows the bundled ones") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read: {error}") from None
    return parse_study(text, path, overrides, max_trials)


def parse_study(text: str, path: Path, overrides: Sequence[str] = (), max_trials: int = MAX_TRIALS) -> Study:
    """Like `read_study`, for text that has already been read from ``path``."""
    located = load(text, str(path))
    if not isinstance(located.value, dict):
        raise StudyError(
            [Problem(f"{path}:1", "", "a study must be a mapping of keys to values", "begin with `study: NAME`")]
        )
    problems = [problem for override in overrides for problem in apply_override(located, override)]
    file: StudyFile
    try:
        file = StudyFile.from_plain(located.value)
    except ValidationError as error:
        problems += problems_of(error, StudyFile, located.location)
        file, located = valid_part(located, error)
    problems += check_size(file, located, max_trials) or check(file, located)
    if problems:
        raise StudyError(sorted(dict.fromkeys(problems), key=by_line), _named(file, located))
    return Study(file, located, text, path, tuple(overrides))


def _named(file: StudyFile, located: Located) -> list[tuple[str, str]]:
    return [(located.location(("datasets", index)), entry.name) for index, entry in enumerate(file.datasets)]
