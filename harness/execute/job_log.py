"""Captures what a job prints: standard output, standard error and warnings, in the order in which they were written."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any, ClassVar, TextIO, cast

from harness.jobs import Outcome, Progress

LIMIT = 2**20  # characters kept of each job


def logged(job: Generator[Progress, None, Outcome]) -> Generator[Progress, None, Outcome]:
    """Run a job and keep what it prints, in the outcome's ``log`` or in the ``job_log`` of the exception it raises.

    What it prints still goes to the terminal. Only Python's own streams are read: output that a C library or a
    subprocess writes to the file descriptor is not kept.
    """
    log = JobLog()
    with closing(job):
        try:
            while True:
                with log.capturing():
                    progress = next(job)
                yield progress
        except StopIteration as end:
            return replace(end.value, log=log.text)
        except Exception as error:
            error.job_log = log.text  # type: ignore[attr-defined]  # `Failure.of` reads it
            raise


class JobLog:
    """The last ``limit`` characters written to it."""

    _shown: ClassVar[set[str]] = set()  # the warnings that this process has shown on the terminal

    def __init__(self, limit: int = LIMIT):
        self._limit, self._left_out = limit, 0
        self._buffer = io.StringIO()
        self._warned: set[str] = set()

    def write(self, text: str) -> None:
        self._buffer.write(text)
        if self._buffer.tell() > 2 * self._limit:  # cut rarely, so that many short writes stay cheap
            self._cut()

    @property
    def text(self) -> str:
        """What was written. If it was longer than the limit, its first line says how much is missing."""
        self._cut()
        text = self._buffer.getvalue()
        return f"[the first {self._left_out} characters are left out]\n{text}" if self._left_out else text

    def _cut(self) -> None:
        text = self._buffer.getvalue()
        if len(text) > self._limit:
            self._left_out += len(text) - self._limit
            self._buffer = io.StringIO()
            self._buffer.write(text[-self._limit :])

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Keep what is printed and warned meanwhile. Each warning is kept once, however often it is raised."""
        terminal, show = sys.stderr, warnings.showwarning

        def keep_warning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            text = warnings.formatwarning(message, category, filename, lineno)
            if text not in self._warned:
                self._warned.add(text)
                self.write(text)
            if text not in JobLog._shown:
                JobLog._shown.add(text)
                with redirect_stderr(terminal):
                    show(message, category, filename, lineno, file, line)

        out, err = cast(TextIO, _Tee(sys.stdout, self)), cast(TextIO, _Tee(sys.stderr, self))
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.showwarning = keep_warning
            yield


class _Tee:
    """A text stream that also writes to a log; in everything else it is the stream itself."""

    def __init__(self, stream: TextIO, log: JobLog):
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
