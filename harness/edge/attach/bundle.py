"""Bundles: all that a device needs to measure some jobs, and what comes back. Zip files of JSON, npy and safetensors, no pickle.

A bundle names the code that made it. A device with other code refuses it, and a result of other code, of other data or of a job
that isn't the run's is refused on the way back.
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
from typing import Any

import numpy as np

import harness
from harness.data.base import Modality, Recordings
from harness.data.cache import fingerprint
from harness.errors import InputError
from harness.jobs import Inputs, Job
from harness.keys import content_key
from harness.ledger import checked_key, checked_name

SCHEMA = 1
CODES = ("label", "subject", "sample")
MOST_JSON = 1 << 28  # bytes


@cache
def code_version() -> str:
    """The code that measures, as a hash of its files: two installations with the same do the same work."""
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
    """Jobs, the recordings that they read (by fingerprint), and their inputs (by the needed job's key)."""

    jobs: tuple[Job, ...]
    data: Mapping[str, Recordings]
    inputs: Inputs


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle, whole or not at all."""
    with _writing(path) as file:
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
            for name, rows in job.indices.items():
                _write_array(file, f"jobs/{job.key}/{name}.npy", rows)
        for key, recordings in bundle.data.items():
            for number, modality in enumerate(recordings.modalities):
                _write_array(file, f"data/{key}/{number}.npy", recordings.arrays[modality.name])
            for name in CODES:
                _write_array(file, f"data/{key}/{name}.npy", getattr(recordings, name))
        for key, artefacts in bundle.inputs.items():
            for name, content in artefacts.items():
                file.writestr(f"inputs/{key}/{name}", content)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle. Raises `InputError` if it is damaged, of other code, or its data isn't what its jobs ask for."""
    with _reading(path) as file:
        about = _about(file, path, "bundle")
        check_code(about["code"], f"{path} was made")
        data = {checked_key(key): _read_data(file, key, entry) for key, entry in about["data"].items()}
        for key, recordings in data.items():
            if fingerprint(recordings) != key:
                raise InputError(f"{path}: the data are not those of fingerprint {key}: it is damaged")
        jobs = tuple(_read_job(file, entry) for entry in about["jobs"])
        inputs = {
            checked_key(key): {checked_name(name): file.read(f"inputs/{key}/{name}") for name in names}
            for key, names in about["inputs"].items()
        }
        if lacking := {need for job in jobs for need in job.needs} - set(inputs):
            raise InputError(f"{path} lacks the artefacts of {', '.join(sorted(lacking))}")
        return Bundle(jobs, {key: replace(value, fingerprint=key) for key, value in data.items()}, inputs)


def write_result(
    path: Path, records: Iterable[Mapping[str, Any]], artefacts: Mapping[str, Mapping[str, bytes]]
) -> None:
    """Write what was measured. records: as `harness.edge.attach.measure` makes them. artefacts: job's key → file name → bytes."""
    with _writing(path) as file:
        about = {"schema": SCHEMA, "kind": "result", "code": code_version(), "records": list(records)}
        file.writestr(
            "result.json", json.dumps(about | {"artefacts": {key: sorted(names) for key, names in artefacts.items()}})
        )
        for key, files in artefacts.items():
            for name, content in files.items():
                file.writestr(f"artefacts/{key}/{name}", content)


def read_result(path: Path) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
    """Read records with their artefacts. Raises `InputError` if they are damaged or of other code."""
    with _reading(path) as file:
        about = _about(file, path, "result")
        check_code(about["code"], f"{path} was measured")
        artefacts = {
            checked_key(key): {checked_name(name): file.read(f"artefacts/{key}/{name}") for name in names}
            for key, names in about["artefacts"].items()
        }
        return [(record, artefacts.get(record["key"], {})) for record in about["records"]]


def check_code(code: str, what: str) -> None:
    """Raise `InputError` if ``code`` isn't this installation's."""
    if code != code_version():
        raise InputError(f"{what} by other code: {code}, here is {code_version()}; install the same version on both")


# -- files -----------------------------------------------------------------------------------------------------------------------


class _writing:
    """A zip file that is there whole or not at all."""

    def __init__(self, path: Path):
        self._path, self._new = path, path.with_name(f".writing-{path.name}")

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self._file = zipfile.ZipFile(self._new, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        except OSError as error:
            raise InputError(f"{self._path} can't be written: {error}") from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._file.close()
            if error is None:
                os.replace(self._new, self._path)
        except OSError as late:
            raise InputError(f"{self._path} can't be written: {late}") from late
        finally:
            self._new.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"{self._path} can't be written: {error}") from error


class _reading:
    """A zip file; what is wrong with it is bad input."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self._file = zipfile.ZipFile(self._path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path} can't be read: {error}") from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile)):
            raise InputError(f"{self._path} is damaged: {error}") from error


def _about(file: zipfile.ZipFile, path: Path, kind: str) -> dict[str, Any]:
    if f"{kind}.json" not in file.namelist():
        raise InputError(f"{path} is no {kind}: it has no {kind}.json")
    if file.getinfo(f"{kind}.json").file_size > MOST_JSON:
        raise InputError(f"{path}: {kind}.json is too large")
    about: dict[str, Any] = json.loads(file.read(f"{kind}.json"))
    if about.get("schema") != SCHEMA or about.get("kind") != kind:
        raise InputError(
            f"{path} has schema {about.get('schema')} of a {about.get('kind')}, this version reads {SCHEMA} of a {kind}"
        )
    return about


def _write_array(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    file.writestr(name, content.getbuffer())


def _read_array(file: zipfile.ZipFile, name: str) -> np.ndarray:
    array: np.ndarray = np.load(io.BytesIO(file.read(name)), allow_pickle=False)
    return array


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
    key = checked_key(entry["key"])
    if content_key(entry["content"]) != key:
        raise InputError(f"job {key} is not what its key says: it was changed")
    indices = {checked_name(name): _read_array(file, f"jobs/{key}/{name}.npy") for name in entry["indices"]}
    return Job(
        key, entry["kind"], entry["content"], entry["about"], checked_key(entry["data"]), indices, tuple(entry["needs"])
    )


def _data_json(recordings: Recordings) -> dict[str, Any]:
    return {
        "modalities": [modality.to_json() for modality in recordings.modalities],
        "classes": list(recordings.classes),
    }


def _read_data(file: zipfile.ZipFile, key: str, entry: Mapping[str, Any]) -> Recordings:
    modalities = tuple(Modality(m["name"], m["kind"], tuple(m["shape"])) for m in entry["modalities"])
    arrays = {
        modality.name: _read_array(file, f"data/{key}/{number}.npy") for number, modality in enumerate(modalities)
    }
    label, subject, sample = (_read_array(file, f"data/{key}/{name}.npy") for name in CODES)
    return Recordings(modalities, arrays, label, subject, sample, tuple(entry["classes"]))
