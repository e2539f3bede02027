"""Bundles, which hold all that a device needs to measure some jobs, and the results that come back.

Both are zip files of JSON, npy and safetensors, without pickle. A bundle names the code that wrote it. A device with
different code refuses it; a result of different code, of other data or of a job that is not in the run is refused too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, model_validator
from typing_extensions import Self

import harness
from harness.data.base import Modality, Recordings
from harness.data.cache import fingerprint
from harness.data.npy import MAX_RATIO, UNREADABLE, read_member, read_npy
from harness.errors import DataError, InputError
from harness.jobs import Inputs, Job
from harness.keys import content_key
from harness.ledger import checked_key, checked_name
from harness.reading import parse_json

SCHEMA = 1
CODES = ("label", "subject", "sample")
MAX_JSON_BYTES = 1 << 28
MAX_MEMBERS = 1_000_000


@cache
def code_version() -> str:
    """The version and a hash of the code. Two installations with the same value do the same work."""
    package = Path(harness.__file__).parent
    digest = hashlib.sha256()
    for folder in (package, package.parent / "baselines"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(
                path.relative_to(package.parent).as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n")
            )
    return f"{harness.__version__}+{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Bundle:
    """Jobs with all that they need.

    data: fingerprint → recordings. inputs: key of a needed job → its artefacts.
    """

    jobs: tuple[Job, ...]
    data: Mapping[str, Recordings]
    inputs: Inputs


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle, completely or not at all. Raises `InputError` if ``path`` cannot be written."""
    with _ZipWriter(path) as file:
        about = {
            "schema": SCHEMA,
            "kind": "bundle",
            "code": code_version(),
            "jobs": [_job_json(job) for job in bundle.jobs],
            "data": {key: _data_json(recordings) for key, recordings in bundle.data.items()},
            "inputs": {key: sorted(artefacts) for key, artefacts in bundle.inputs.items()},
        }
        file.writestr("bundle.json", json.dumps(about))
        for job in bundle.jobs:
            for name, indices in job.indices.items():
                _write_array(file, f"jobs/{job.key}/{name}.npy", indices)
        for key, recordings in bundle.data.items():
            _write_data(file, key, recordings)
        for key, artefacts in bundle.inputs.items():
            for name, content in artefacts.items():
                file.writestr(f"inputs/{key}/{name}", content)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle. Raises `InputError` if it is damaged, incomplete or was written by different code."""
    with _ZipReader(path) as file:
        about = _about(file, path, "bundle")
        check_code(about["code"], f"{path} was written")
        data = {checked_key(key): _read_data(file, key, entry, path) for key, entry in about["data"].items()}
        jobs = tuple(_read_job(file, entry) for entry in about["jobs"])
        inputs = {
            checked_key(key): {checked_name(name): _read(file, f"inputs/{key}/{name}") for name in names}
            for key, names in about["inputs"].items()
        }
        if lacking := {need for job in jobs for need in job.needs} - set(inputs):
            raise InputError(f"{path} lacks the artefacts of {', '.join(sorted(lacking))}")
        return Bundle(jobs, data, inputs)


def write_result(
    path: Path, records: Iterable[Mapping[str, Any]], artefacts: Mapping[str, Mapping[str, bytes]]
) -> None:
    """Write the records of measured jobs, completely or not at all.

    records: as made by `harness.edge.attach.measure`. artefacts: job's key → file name → bytes.
    """
    about = {
        "schema": SCHEMA,
        "kind": "result",
        "code": code_version(),
        "records": list(records),
        "artefacts": {key: sorted(names) for key, names in artefacts.items()},
    }
    with _ZipWriter(path) as file:
        file.writestr("result.json", json.dumps(about))
        for key, files in artefacts.items():
            for name, content in files.items():
                file.writestr(f"artefacts/{key}/{name}", content)


def read_result(path: Path) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
    """Read the records of a result with their artefacts. Raises `InputError` if it is damaged or of different code."""
    with _ZipReader(path) as file:
        about = _about(file, path, "result")
        check_code(about["code"], f"{path} was measured")
        artefacts = {
            checked_key(key): {checked_name(name): _read(file, f"artefacts/{key}/{name}") for name in names}
            for key, names in about["artefacts"].items()
        }
        return [(record, artefacts.get(record["key"], {})) for record in map(_checked_record, about["records"])]


def _checked_record(record: Any) -> dict[str, Any]:
    """The record of a measured job, if it has the entries that one has. Raises `InputError` otherwise."""
    known = _ResultRecord.model_validate(record)
    checked_key(known.key)
    return dict(record)


class _ResultRecord(BaseModel):
    """What a record in a result holds. Its result is validated when it is read from the ledger."""

    key: str
    content: dict[str, Any]
    data: str
    title: str = ""
    status: Literal["done", "failed"]
    result: dict[str, Any] = {}
    error: dict[str, str] = {}
    partial: dict[str, Any] = {}
    environment: dict[str, str]
    started_at: str
    seconds: float

    @model_validator(mode="after")
    def _says_why_it_failed(self) -> Self:
        if self.status == "failed" and not {"type", "message", "traceback"} <= set(self.error):
            raise ValueError("a failed job has an error with type, message and traceback")
        return self


class _JobEntry(BaseModel):
    """What a bundle says of a job."""

    key: str
    kind: Literal["profile"]
    content: dict[str, Any]
    about: dict[str, Any]
    data: str
    needs: list[str]
    indices: list[str]


def check_code(code: str, what: str) -> None:
    """Raise `InputError` if ``code`` is not the version of this installation. what: begins the message."""
    if code != code_version():
        raise InputError(
            f"{what} by different code: {code}, but here it is {code_version()};"
            " install the same version on both machines"
        )


# -- files ---------------------------------------------------------------------------------------------------------


class _ZipWriter:
    """Writes a zip file under a temporary name and renames it at the end, so that it is complete or absent."""

    def __init__(self, path: Path):
        self._path, self._new = path, path.with_name(f".writing-{path.name}")

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self._file = zipfile.ZipFile(self._new, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error}") from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._file.close()
            if error is None:
                os.replace(self._new, self._path)
        except OSError as late:
            raise InputError(f"{self._path} cannot be written: {late}") from late
        finally:
            self._new.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"{self._path} cannot be written: {error}") from error


class _ZipReader:
    """Reads a zip file, and turns the errors of reading it into `InputError`."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self._file = zipfile.ZipFile(self._path)
        except UNREADABLE as error:
            raise InputError(f"{self._path} cannot be read: {error}") from error
        total = sum(info.file_size for info in self._file.infolist())
        if len(self._file.infolist()) > MAX_MEMBERS or total > self._path.stat().st_size * MAX_RATIO:
            self._file.close()
            raise InputError(f"{self._path} is not read: it would unpack to {total:,} bytes")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, (*UNREADABLE, DataError)):
            raise InputError(f"{self._path} is damaged: {error or type(error).__name__}") from error


def _about(file: zipfile.ZipFile, path: Path, kind: str) -> dict[str, Any]:
    if f"{kind}.json" not in file.namelist():
        raise InputError(f"{path} is not a {kind}: it has no {kind}.json")
    if file.getinfo(f"{kind}.json").file_size > MAX_JSON_BYTES:
        raise InputError(f"{path}: {kind}.json is too large")
    about = parse_json(_read(file, f"{kind}.json"))
    if not isinstance(about, dict):
        raise InputError(f"{path}: {kind}.json is not a mapping")
    if about.get("schema") != SCHEMA or about.get("kind") != kind:
        raise InputError(
            f"{path} has schema {about.get('schema')} of a {about.get('kind')}, but this version reads"
            f" schema {SCHEMA} of a {kind}"
        )
    return about


def _write_array(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    file.writestr(name, content.getbuffer())


def _read_array(file: zipfile.ZipFile, name: str) -> np.ndarray:
    content = _read(file, name)
    return read_npy(io.BytesIO(content), len(content), name)


def _read(file: zipfile.ZipFile, name: str) -> bytes:
    return read_member(file, file.getinfo(name))


def _job_json(job: Job) -> dict[str, Any]:
    return {
        "key": job.key,
        "kind": job.kind,
        "content": dict(job.content),
        "about": dict(job.about),
        "data": job.data,
        "needs": list(job.needs),
        "indices": sorted(job.indices),
    }


def _read_job(file: zipfile.ZipFile, entry: Mapping[str, Any]) -> Job:
    _JobEntry.model_validate(entry)
    key = checked_key(entry["key"])
    if content_key(entry["content"]) != key:
        raise InputError(f"job {key} does not match its key: it was changed")
    indices = {checked_name(name): _read_array(file, f"jobs/{key}/{name}.npy") for name in entry["indices"]}
    return Job(
        key, entry["kind"], entry["content"], entry["about"], checked_key(entry["data"]), indices, tuple(entry["needs"])
    )


def _data_json(recordings: Recordings) -> dict[str, Any]:
    return {
        "modalities": [modality.to_json() for modality in recordings.modalities],
        "classes": list(recordings.classes),
    }


def _write_data(file: zipfile.ZipFile, key: str, recordings: Recordings) -> None:
    for number, modality in enumerate(recordings.modalities):
        _write_array(file, f"data/{key}/{number}.npy", recordings.arrays[modality.name])
    for name in CODES:
        _write_array(file, f"data/{key}/{name}.npy", getattr(recordings, name))


def _read_data(file: zipfile.ZipFile, key: str, entry: Mapping[str, Any], path: Path) -> Recordings:
    modalities = tuple(Modality(m["name"], m["kind"], tuple(m["shape"])) for m in entry["modalities"])
    arrays = {
        modality.name: _read_array(file, f"data/{key}/{number}.npy") for number, modality in enumerate(modalities)
    }
    label, subject, sample = (_read_array(file, f"data/{key}/{name}.npy") for name in CODES)
    recordings = Recordings(modalities, arrays, label, subject, sample, tuple(entry["classes"]))
    if fingerprint(recordings) != key:
        raise InputError(f"{path}: the data are not those of fingerprint {key}: the bundle is damaged")
    return replace(recordings, fingerprint=key)
