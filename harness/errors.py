"""Errors in a user's input. The commands print their message without a traceback and exit with status 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class InputError(Exception):
    """Invalid input. The text is the whole message: where the error is, what is wrong and what would be right."""


class Damaged(InputError):
    """A file of a run's folder that is not what was written. Running again makes it anew."""


class JobFailed(Exception):
    """A job failed in a run that was asked to stop at the first failure. Its cause is the job's own exception."""


class DataError(InputError):
    """Missing, unreadable or invalid data. The text names the file or the value."""


@dataclass(frozen=True)
class Problem:
    """One error in a study: its location, what is wrong and what would be right."""

    where: str  # "studies/label_rate.yaml:7"
    path: str  # "options.cosmo.lambda"
    message: str  # "2 is greater than 1"
    hint: str = ""  # "a number from 0 to 1"

    def __str__(self) -> str:
        text = f"{self.where}: {self.path}: {self.message}" if self.path else f"{self.where}: {self.message}"
        return f"{text}\n    {self.hint}" if self.hint else text


class StudyError(InputError):
    """All problems of a study, in the order of their lines in the file.

    datasets: the location and the name of each data set of a study that could be read, so that its files can be looked
    for as well.
    """

    def __init__(self, problems: Sequence[Problem], datasets: Sequence[tuple[str, str]] = ()):
        self.problems, self.datasets = tuple(problems), tuple(datasets)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that suggests the most similar known word, or lists all known words if none is similar."""
    known = sorted(known)
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(known) if known else "there are none"


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 200 characters; the type of the error if it has no message."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
