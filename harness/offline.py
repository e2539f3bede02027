"""Devices without a network: `export` writes a bundle of profile jobs, `import_` reads the result that comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.edge.attach.bundle import Bundle, read_result, write_bundle
from harness.edge.attach.run_profile import Failed, outcome_of
from harness.errors import InputError
from harness.jobs import Failure, Job
from harness.keys import content_key
from harness.ledger import Ledger
from harness.plan import Plan, make_plan
from harness.results.plan_records import PlanRecord
from harness.results.run import RunResults
from harness.study import MAX_TRIALS, parse_study


def export(
    ledger: Ledger, path: Path, data: Path | None, device: str | None = None, max_trials: int = MAX_TRIALS
) -> list[Job]:
    """Write a bundle of those profile jobs of a run that are not done, and return them.

    data: folder of the data sets. device: whose jobs to export; None: those of all offline devices. max_trials: the
    most trials that the study may have.

    Raises `InputError` if there are no such jobs, if the jobs they need are not done, or if study, data or code have
    changed since the run.
    """
    plan = _plan_again(ledger, data, max_trials)
    profiles = [job for job in plan.jobs.values() if job.kind == "profile"]
    wanted = [job for job in profiles if _is_for(job, device)]
    jobs = [job for job in wanted if not ledger.is_done(job.key)]
    if not jobs:
        names = ", ".join(sorted({str(job.about["device"]["name"]) for job in profiles})) or "none"
        which = f"for device {device}" if device else "for an offline device"
        raise InputError(
            f"there is nothing to export {which}: {len(wanted)} jobs, all done; devices of the study: {names}"
        )
    inputs = {need: ledger.artefacts(need) for job in jobs for need in job.needs}
    write_bundle(path, Bundle(tuple(jobs), {job.data: plan.data[job.data] for job in jobs}, inputs))
    return jobs


def _plan_again(ledger: Ledger, data: Path | None, max_trials: int) -> Plan:
    """Make the plan of a run anew, with recordings and sample numbers. Raises `InputError` if its jobs have changed."""
    results = RunResults.open(ledger.root)
    study = results.study
    plan = make_plan(parse_study(study.text, Path(study.file), study.overrides, max_trials), data)
    for job in plan.jobs.values():
        if job.kind == "profile" and job.key not in results.plan.jobs:
            raise InputError(
                f"{job.title} does not belong to the run {ledger.root}: study, data or code have changed since;"
                " run the study again first"
            )
    return plan


def _is_for(job: Job, device: str | None) -> bool:
    """Whether a profile job is for the device; None stands for all offline devices."""
    return job.attachment == "offline" if device is None else job.about["device"]["name"] == device


def import_(ledger: Ledger, path: Path) -> tuple[list[str], list[str]]:
    """Add the records of a result to the ledger of a run. Returns the titles of the done jobs and of the failed ones.

    Raises `InputError`, and adds nothing, if any job, data or code is not that of the run.
    """
    plan = RunResults.open(ledger.root).plan
    found = read_result(path)
    jobs = [_job(plan, record, path) for record, _ in found]
    done, failed = [], []
    with ledger.locked():
        for job, (record, artefacts) in zip(jobs, found, strict=True):
            if ledger.is_done(job.key):
                continue  # measured before: a finished job is never replaced
            try:
                ledger.write_done(job, outcome_of(record, artefacts, "bundle"))
                done.append(job.title)
            except Failed as error:
                ledger.write_failed(job, Failure.of(error))
                failed.append(job.title)
    return done, failed


def _job(plan: PlanRecord, record: dict[str, Any], path: Path) -> Job:
    """The job of the run to which a record belongs."""
    key, content = record["key"], record["content"]
    title = record.get("title", key)
    if content_key(content) != key:
        raise InputError(f"{path}: the record of {title} does not match its key: it was changed")
    if key not in plan.jobs or plan.jobs[key].kind != "profile":
        raise InputError(f"{path}: {title} ({key}) is not a measurement of this run")
    if record["data"] != content["data"]:
        raise InputError(f"{path}: {title} was measured on data {record['data']}, but the run has {content['data']}")
    trial = next(trial for trial in plan.trials if key in trial.profile_keys.values())
    about = {"study": plan.study, **trial.model_dump(include={"dataset", "method", "seed", "point"})}
    device = {"name": content["on"], "way": "offline"}
    return Job(key, "profile", content, {**about, "device": device}, content["data"], {}, tuple(plan.jobs[key].needs))
