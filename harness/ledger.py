"""The ledger: a run's folder. Records and artefacts are filed under their jobs' keys, each written whole or not at all.

RUN/study.json      what was asked: the study's text, every value in force and where it came from
RUN/plan.json       the trials, and the keys of their jobs
RUN/live.json       what the run is doing now
RUN/records/KEY.json
RUN/artefacts/KEY/NAME
RUN/logs/KEY.txt     what the job printed, and the traceback if it failed
RUN/checkpoints/KEY  where a job that isn't done can go on
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import InputError
from harness.jobs import Failure, Job, Outcome

SCHEMA = 1
WRITING = ".writing-"  # begins the name of a file that isn't whole yet
_KEY = re.compile(r"[0-9a-f]{8,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Record = dict[str, Any]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically: it is there whole or not at all, even if the process or the machine dies.

    Writes a temporary file, syncs it and renames it. Raises `InputError` with the system's reason, such as a full disk
    or a folder that is not writable.
    """
    try:
        _write_whole(path, data)
    except OSError as error:
        text = f"{path} can't be written: {error.strerror or error}"
        raise InputError(f"{text}. What is finished is kept: put that right, and the same command goes on") from error


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=WRITING)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the rename itself may be lost with the power
    finally:
        os.close(folder)


def to_bytes(content: Any) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


class Ledger:
    """A run's folder. Only the driver writes to it."""

    def __init__(self, root: Path):
        self.root = root
        self._hashes: dict[str, dict[str, str]] = {}  # key of a finished job → file name → SHA-256 of the artefact

    @classmethod
    def open(cls, root: Path) -> Ledger:
        """The ledger of an existing run. Raises `InputError` if the folder holds none."""
        if not (root / "plan.json").is_file():
            raise InputError(
                f"{root} holds no run: it has no plan.json. `harness run STUDY.yaml --out {root}` makes one"
            )
        return cls(root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process, and remove files that a killed process left half-written.

        The lock belongs to the operating system and ends with the process, however that ends. Raises `InputError` with
        the pid and host of the process that holds it.
        """
        lock, holder = FileLock(self.root / "lock", timeout=0), self.root / "holder.json"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            who = json.loads(holder.read_bytes()) if holder.is_file() else {}
            text = f"process {who.get('pid', '?')} on {who.get('host', '?')} since {who.get('since', '?')}"
            raise InputError(
                f"{self.root} is being run by {text}; wait for it, or give another folder with --out"
            ) from None
        except OSError as error:
            raise InputError(f"{self.root} can't be written to: {error.strerror or error}") from error
        try:
            for leftover in self.root.rglob(f"{WRITING}*"):
                leftover.unlink()
            for path in (self.root / "checkpoints").glob("*"):  # of what was done just before a kill
                if self.is_done(path.name):
                    path.unlink()
            since = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_whole(holder, to_bytes({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    # -- what was asked ---------------------------------------------------------------------------------------------

    def write_plan(self, study: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Write the plan and the study. Records of an earlier plan stay."""
        write_whole(self.root / "study.json", to_bytes({"schema": SCHEMA, **study}))
        write_whole(self.root / "plan.json", to_bytes({"schema": SCHEMA, **plan}))

    def write_live(self, content: Mapping[str, Any]) -> None:
        """Write what the run is doing now."""
        write_whole(self.root / "live.json", to_bytes({"schema": SCHEMA, **content}))

    def live(self) -> Record | None:
        """What the run was doing when it last wrote; None if it has not begun."""
        path = self.root / "live.json"
        return self._read(path) if path.is_file() else None

    # -- records ----------------------------------------------------------------------------------------------------

    def write_done(self, job: Job, outcome: Outcome) -> Record:
        """Write a finished job: first its artefacts, then the record with their hashes."""
        artefacts: dict[str, dict[str, Any]] = {}
        for name, data in outcome.artefacts.items():
            write_whole(self._artefact_path(job.key, name), data)
            artefacts[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._write_log(job.key, outcome.log)
        record = self._write(
            job,
            status="done",
            result=dict(outcome.result),
            artefacts=artefacts,
            environment=dict(outcome.environment),
            started_at=outcome.started_at,
            seconds=outcome.seconds,
        )
        self._checkpoint_path(job.key).unlink(missing_ok=True)
        self._hashes[job.key] = {name: artefact["sha256"] for name, artefact in artefacts.items()}
        return record

    def write_failed(self, job: Job, failure: Failure) -> Record:
        """Write a failed job with its error and what it had measured. The next run tries it again."""
        self._write_log(job.key, failure.log + failure.traceback)
        partial = {"partial": dict(failure.partial)} if failure.partial else {}
        return self._write(job, status="failed", error=failure.to_json(), **partial)

    def write_stopped(self, job: Job, evaluations: Sequence[tuple[int, float]]) -> Record:
        """Write a job that a search stopped early. It has no artefacts and does not count as done.

        evaluations: (epoch, accuracy on the validation samples) of each.
        """
        epochs, accuracies = [epoch for epoch, _ in evaluations], [accuracy for _, accuracy in evaluations]
        result = {"epochs_evaluated": epochs, "curves": {"validation": {"accuracy": accuracies}}}
        return self._write(job, status="stopped", result=result)

    def _write(self, job: Job, **what: Any) -> Record:
        before = self.record(job.key)
        record: Record = {
            "schema": SCHEMA,
            "key": job.key,
            "kind": job.kind,
            "content": dict(job.content),
            "about": dict(job.about),
            "needs": list(job.needs),
            "attempts": (before["attempts"] if before else 0) + 1,
            "written_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **what,
        }
        write_whole(self.record_path(job.key), to_bytes(record))
        return record

    def record(self, key: str) -> Record | None:
        """A job's record; None if it left none yet. Raises `InputError` that names a damaged file."""
        path = self.record_path(key)
        return self._read(path) if path.is_file() else None

    def is_done(self, key: str) -> bool:
        record = self.record(key)
        return record is not None and record["status"] == "done"

    def records(self) -> Iterator[Record]:
        """All records, in the order of their keys."""
        for path in sorted((self.root / "records").glob("*.json")):
            yield self._read(path)

    def artefacts(self, key: str) -> dict[str, bytes]:
        """All artefacts of a finished job, by file name: the inputs of the jobs that need it.

        Raises `InputError` for a job that is not finished, or an artefact that isn't what its record says.
        """
        if key not in self._hashes:
            record = self.record(key)
            if record is None or record["status"] != "done":
                raise InputError(f"needs job {key}, which is not done")
            self._hashes[key] = {name: artefact["sha256"] for name, artefact in record["artefacts"].items()}
        return {name: self.artefact(key, name, sha256) for name, sha256 in self._hashes[key].items()}

    def artefact(self, key: str, name: str, sha256: str) -> bytes:
        """One artefact of a finished job.

        sha256: from its record. Raises `InputError` if the file differs or is missing.
        """
        path = self._artefact_path(key, name)
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InputError(
                f"{path} is damaged or missing; delete {self.record_path(key)} and run again to make it anew"
            )
        return data

    # -- logs -------------------------------------------------------------------------------------------------------

    def log(self, key: str) -> str:
        """What a job printed in its last attempt, followed by its traceback if it failed; "" if it printed nothing."""
        path = self._log_path(key)
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def _write_log(self, key: str, text: str) -> None:
        if text:
            write_whole(self._log_path(key), text.encode("utf-8", errors="replace"))
        else:
            self._log_path(key).unlink(missing_ok=True)  # an earlier attempt's

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def keep_checkpoint(self, key: str, checkpoint: bytes) -> None:
        """Keep a checkpoint of a running job until the job is done."""
        write_whole(self._checkpoint_path(key), checkpoint)

    def checkpoint(self, key: str) -> bytes | None:
        """The checkpoint of a job; None if it has none."""
        path = self._checkpoint_path(key)
        return path.read_bytes() if path.is_file() else None

    # -- files ------------------------------------------------------------------------------------------------------

    def record_path(self, key: str) -> Path:
        return self.root / "records" / f"{_checked(_KEY, key)}.json"

    def _artefact_path(self, key: str, name: str) -> Path:
        return self.root / "artefacts" / _checked(_KEY, key) / _checked(_NAME, name)

    def _log_path(self, key: str) -> Path:
        return self.root / "logs" / f"{_checked(_KEY, key)}.txt"

    def _checkpoint_path(self, key: str) -> Path:
        return self.root / "checkpoints" / _checked(_KEY, key)

    @staticmethod
    def _read(path: Path) -> Record:
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path} is missing") from None
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); delete it and run again to make it anew") from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            found = content.get("schema") if isinstance(content, dict) else None
            raise InputError(f"{path} has schema {found}, this version reads {SCHEMA}")
        return content


def checked_key(text: str) -> str:
    """The key, if it is safe as a file name. Raises `InputError` otherwise."""
    return _checked(_KEY, text)


def checked_name(text: str) -> str:
    """The name, if it is safe as a file name. Raises `InputError` otherwise."""
    return _checked(_NAME, text)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise InputError(f"{text!r} is not a safe name for a file")
    return text
