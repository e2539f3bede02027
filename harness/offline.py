"""Carrying jobs to a device with no network, and their records back: `harness edge export`, `measure`, `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.edge.attach.bundle import Bundle, read_result, write_bundle
from harness.edge.attach.run_profile import Failed, outcome_of
from harness.errors import InputError
from harness.jobs import Failure, Job
from harness.keys import content_key
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.results.records import PlanRecord
from harness.results.run import RunResults
from harness.study import parse_study


def export(ledger: Ledger, path: Path, data: Path | None, device: str | None = None) -> list[Job]:
    """Write a bundle of the run's profile jobs that are not done; those of one device, or of all offline ones.

    data: the data sets' folder. Raises `InputError` if there are none, if what they need isn't done, or if study, data
    or code are no longer those of the run.
    """
    results = RunResults.open(ledger.root)
    study, known = results.study, results.plan.jobs
    plan = make_plan(parse_study(study.text, Path(study.file), study.overrides), data)
    profiles = [job for job in plan.jobs.values() if job.kind == "profile"]
    if changed := [job for job in profiles if job.key not in known]:
        raise InputError(
            f"{changed[0].title} is not of the run {ledger.root}: study, data or code have changed since; run it again first"
        )
    wanted = [
        job
        for job in profiles
        if (job.attachment == "offline" if device is None else job.about["device"]["name"] == device)
    ]
    jobs = [job for job in wanted if not ledger.is_done(job.key)]
    if not jobs:
        names = ", ".join(sorted({str(job.about["device"]["name"]) for job in profiles})) or "none"
        which = f"for device {device}" if device else "for an offline device"
        raise InputError(
            f"there is nothing to export {which}: {len(wanted)} jobs, all done; the study's devices: {names}"
        )
    inputs = {need: ledger.artefacts(need) for job in jobs for need in job.needs}
    write_bundle(path, Bundle(tuple(jobs), {job.data: plan.data[job.data] for job in jobs}, inputs))
    return jobs


def import_(ledger: Ledger, path: Path) -> tuple[list[str], list[str]]:
    """Take a result's records into the run's ledger; the titles of those that are done, and of those that failed.

    Nothing is taken unless all of it is the run's: raises `InputError` for a job, data or code that isn't.
    """
    plan = RunResults.open(ledger.root).plan
    found = read_result(path)
    jobs = [_job(plan, record, path) for record, _ in found]
    done, failed = [], []
    with ledger.locked():
        for job, (record, artefacts) in zip(jobs, found, strict=True):
            if ledger.is_done(job.key):
                continue  # it was measured before: finished is finished
            try:
                ledger.write_done(job, outcome_of(record, artefacts, "bundle"))
                done.append(job.title)
            except Failed as error:
                ledger.write_failed(job, Failure.of(error))
                failed.append(job.title)
    return done, failed


def _job(plan: PlanRecord, record: dict[str, Any], path: Path) -> Job:
    """The run's job that a record is of."""
    key, content = record["key"], record["content"]
    title = record.get("title", key)
    if content_key(content) != key:
        raise InputError(f"{path}: the record of {title} is not what its key says: it was changed")
    if key not in plan.jobs or plan.jobs[key].kind != "profile":
        raise InputError(f"{path}: {title} ({key}) is no measurement of this run")
    if record["data"] != content["data"]:
        raise InputError(f"{path}: {title} was measured on data {record['data']}, the run's are {content['data']}")
    trial = next(trial for trial in plan.trials if key in trial.profile_keys.values())
    about = {"study": plan.study, **trial.model_dump(include={"dataset", "method", "seed", "point"})}
    device = {"name": content["on"], "way": "offline"}
    return Job(key, "profile", content, {**about, "device": device}, content["data"], {}, tuple(plan.jobs[key].needs))
