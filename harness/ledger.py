"""The ledger: a run's folder. Records and artefacts are filed under their jobs' keys, each written whole or not at all.

RUN/study.json      what was asked: the study's text, every value in force and where it came from
RUN/plan.json       the trials, and the keys of their jobs
RUN/live.json       what the run is doing now
RUN/records/KEY.json
RUN/artefacts/KEY/NAME
RUN/logs/KEY.txt     what the job printed, and the traceback if it failed
RUN/checkpoints/KEY  where a job that isn't done can go on
RUN/damaged         what `harness doctor` has set aside
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import Damaged, InputError
from harness.jobs import Failure, Job, Outcome
from harness.keys import content_key
from harness.reading import parse_json, read_regular

SCHEMA = 1
MAX_RUN_FILE_BYTES = 2**29  # a plan of 100 000 trials has a quarter of that
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
    temporary = path.with_name(f"{WRITING}{secrets.token_hex(8)}")  # a file of tempfile would ignore the umask
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
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
            who = self._holder(holder)
            text = f"process {who.get('pid', '?')} on {who.get('host', '?')} since {who.get('since', '?')}"
            raise InputError(
                f"{self.root} is being run by {text}; wait for it, or give another folder with --out"
            ) from None
        except OSError as error:
            raise InputError(f"{self.root} can't be written to: {error.strerror or error}") from error
        try:
            self._clear()
            since = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_whole(holder, to_bytes({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    @staticmethod
    def _holder(path: Path) -> Record:
        """Who holds the lock, as far as that can be read."""
        try:
            found = parse_json(read_regular(path))
        except (OSError, ValueError, InputError):
            found = {}
        return found if isinstance(found, dict) else {}

    def _clear(self) -> None:
        """Remove half-written files, and the checkpoints of what was done just before a kill."""
        for leftover in self.root.rglob(f"{WRITING}*"):
            if leftover.is_file():
                leftover.unlink()
        for path in (self.root / "checkpoints").glob("*"):
            if _KEY.fullmatch(path.name) and path.is_file() and self._status(path.name) == "done":
                path.unlink()

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
        """Write a finished job: first its artefacts, then the record with their hashes and those of its inputs."""
        artefacts: dict[str, dict[str, Any]] = {}
        for name, data in outcome.artefacts.items():
            write_whole(self._artefact_path(job.key, name), data)
            artefacts[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._write_log(job.key, outcome.log)
        record = self._record(
            job,
            status="done",
            result=dict(outcome.result),
            artefacts=artefacts,
            inputs={need: digest(hashes) for need in job.needs if (hashes := self._artefact_hashes(need)) is not None},
            environment=dict(outcome.environment),
            started_at=outcome.started_at,
            seconds=outcome.seconds,
        )
        self._write(record)
        self._checkpoint_path(job.key).unlink(missing_ok=True)
        self._hashes[job.key] = {name: artefact["sha256"] for name, artefact in artefacts.items()}
        return record

    def write_failed(self, job: Job, failure: Failure) -> Record:
        """Write a failed job with its error and what it had measured. The next run tries it again.

        The record of a job that was done, and ran again only to keep its model, stays.
        """
        self._write_log(job.key, failure.log + failure.traceback)
        partial = {"partial": dict(failure.partial)} if failure.partial else {}
        record = self._record(job, status="failed", error=failure.to_json(), **partial)
        if not (job.keep_model and self.is_done(job.key)):
            self._write(record)
        return record

    def write_stopped(self, job: Job, evaluations: Sequence[tuple[int, float]]) -> Record:
        """Write a job that a search stopped early. It has no artefacts and does not count as done.

        evaluations: (epoch, accuracy on the validation samples) of each.
        """
        epochs, accuracies = [epoch for epoch, _ in evaluations], [accuracy for _, accuracy in evaluations]
        result = {"epochs_evaluated": epochs, "curves": {"validation": {"accuracy": accuracies}}}
        record = self._record(job, status="stopped", result=result)
        self._write(record)
        return record

    def _record(self, job: Job, **what: Any) -> Record:
        try:
            before = self.record(job.key)
        except Damaged:
            before = None
        attempts = before.get("attempts", 0) if before else 0
        return {
            "schema": SCHEMA,
            "key": job.key,
            "kind": job.kind,
            "content": dict(job.content),
            "about": dict(job.about),
            "needs": list(job.needs),
            "attempts": (attempts if isinstance(attempts, int) else 0) + 1,
            "written_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **what,
        }

    def _write(self, record: Record) -> None:
        write_whole(self.record_path(record["key"]), to_bytes(record))

    def record(self, key: str) -> Record | None:
        """A job's record; None if it left none yet. Raises `InputError` that names a damaged file."""
        path = self.record_path(key)
        return self._read(path) if path.is_file() else None

    def is_done(self, key: str) -> bool:
        return self._status(key) == "done"

    def _status(self, key: str) -> str | None:
        """The status of a job's record; None without a record that can be read."""
        try:
            record = self.record(key)
        except Damaged:
            return None
        return record.get("status") if record else None

    def records(self) -> Iterator[Record]:
        """All records, in the order of their keys."""
        for path in sorted((self.root / "records").glob("*.json")):
            yield self._read(path)

    def artefacts(self, key: str) -> dict[str, bytes]:
        """All artefacts of a finished job, by file name: the inputs of the jobs that need it.

        Raises `InputError` for a job that is not finished, or an artefact that isn't what its record says.
        """
        if (hashes := self._artefact_hashes(key)) is None:
            raise InputError(f"needs job {key}, which is not done")
        return {name: self.artefact(key, name, sha256) for name, sha256 in hashes.items()}

    def _artefact_hashes(self, key: str) -> dict[str, str] | None:
        """File name → SHA-256 of the artefacts of a job; None if it is not done."""
        if key not in self._hashes and self._status(key) == "done":
            record = self.record(key) or {}
            try:
                hashes = {name: artefact["sha256"] for name, artefact in record["artefacts"].items()}
            except (KeyError, TypeError, AttributeError):
                raise Damaged(f"{self.record_path(key)} is damaged: it does not list its artefacts") from None
            self._hashes[key] = hashes
        return self._hashes.get(key)

    def artefact(self, key: str, name: str, sha256: str) -> bytes:
        """One artefact of a finished job.

        sha256: from its record. Raises `InputError` if the file differs or is missing.
        """
        path = self._artefact_path(key, name)
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(
                f"{path} is damaged or missing: `harness doctor {self.root}` sets damaged files aside, and running "
                "again makes them anew"
            )
        return data

    def artefact_fault(self, key: str, name: str, n_bytes: int, sha256: str, thorough: bool = False) -> str | None:
        """What is wrong with an artefact; None if it is what its record says.

        thorough: whether to read it in any case. Otherwise it is read only if it has changed since its record was
        written, which comes after its artefacts.
        """
        path = self._artefact_path(key, name)
        shown = path.relative_to(self.root)
        try:
            about, recorded = path.stat(), self.record_path(key).stat().st_mtime_ns
        except OSError:
            return f"{shown} is missing"
        if not stat.S_ISREG(about.st_mode):
            return f"{shown} is not a file"
        if about.st_size != n_bytes:
            return f"{shown} has {about.st_size} bytes, not {n_bytes}"
        if (thorough or about.st_mtime_ns > recorded) and _sha256(path) != sha256:
            return f"{shown} has other content than its record says"
        return None

    def set_aside(self, path: Path) -> Path:
        """Move a damaged file of the run to its folder ``damaged``, and return where it is."""
        target = self.root / "damaged" / path.relative_to(self.root)
        while os.path.lexists(target):
            target = target.with_name(f"{target.name}~")
        target.parent.mkdir(parents=True, exist_ok=True)
        return path.rename(target)

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
        write_whole(self._checkpoint_path(key), hashlib.sha256(checkpoint).digest() + checkpoint)

    def checkpoint(self, key: str) -> bytes | None:
        """The checkpoint of a job; None if it has none, or a damaged one."""
        path = self._checkpoint_path(key)
        content = path.read_bytes() if path.is_file() else b""
        expected, checkpoint = content[:32], content[32:]
        return checkpoint if hashlib.sha256(checkpoint).digest() == expected else None

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
            content = parse_json(read_regular(path, MAX_RUN_FILE_BYTES))
        except FileNotFoundError:
            raise InputError(f"{path} is missing") from None
        except (OSError, ValueError, InputError) as error:
            raise Damaged(f"{path} is damaged ({error}); delete it and run again to make it anew") from None
        if not isinstance(content, dict) or "schema" not in content:
            raise Damaged(f"{path} is damaged (it has no schema); delete it and run again to make it anew")
        if content["schema"] != SCHEMA:
            raise InputError(f"{path} has schema {content['schema']}, this version reads {SCHEMA}")
        return content


def digest(hashes: Mapping[str, str]) -> str:
    """The hash of all artefacts of a job. hashes: file name → SHA-256."""
    return content_key(dict(hashes))


def _sha256(path: Path) -> str | None:
    """The hash of a file; None if it can't be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                found.update(block)
    except OSError:
        return None
    return found.hexdigest()


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
