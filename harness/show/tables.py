"""A plan, a run and a data set as tables in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from harness.data.base import Dataset, Recordings
from harness.data.describe import describe
from harness.results.health import TrialsWarning, warnings_of
from harness.results.profiles import edge_tables
from harness.results.run import RunResults
from harness.show.outlook import outlook

if TYPE_CHECKING:
    from harness.plan.outline import Outline


def show_plan(plan: Outline, unfinished: Collection[str], console: Console, inline: bool = False) -> None:
    """The jobs by data set, method and kind: how many there are, and how many are done, to run or for offline devices.

    unfinished: keys of those that are not done. inline: whether they run one after another.
    """
    offline = set(plan.offline) & set(unfinished)
    todo = set(unfinished) - offline
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for key, group in plan.jobs.items():
        state = "offline" if key in offline else "to run" if key in todo else "done"
        counts.setdefault(tuple(group), Counter()).update(["jobs", state])
    shown = ["jobs", "done", "to run", *(["offline"] if offline else [])]
    table = Table("data set", "method", "kind", *shown, box=None, pad_edge=False, header_style="bold")
    for names, count in counts.items():
        table.add_row(*names, *(str(count[column]) for column in shown))
    console.print(table)
    console.print(labelled_text(plan.labelled), highlight=False)
    if plan.folds:
        console.print(_folds_table(plan.folds))
    done = len(plan.jobs) - len(todo) - len(offline)
    who = f"{plan.trials} trials need {len(plan.jobs)} jobs"
    if plan.searched:
        others = len(plan.jobs) - plan.searched
        who = f"the search needs {plan.searched} jobs"
        who += f", and the trials that do not wait for it {others}" if others else ""
    text = f"{who} ({plan.shared} saved by sharing); {done} are done, {len(todo)} to run"
    text += f", {len(offline)} for offline devices" if offline else ""
    console.print(text, highlight=False)
    if plan.waiting:
        text = (
            f"then {plan.waiting} of the study's {plan.trials} trials follow, with the options that the search chooses"
        )
        console.print(text, highlight=False)
    for line in outlook(plan, todo, inline):
        console.print(line, highlight=False, soft_wrap=True)


def labelled_text(counts: Mapping[str, Sequence[int]]) -> str:
    """The numbers of labelled samples of each data set in one line.

    >>> labelled_text({"utd-mhad": [27, 54], "usc-had": [200]})
    'labelled samples: utd-mhad 27, 54; usc-had 200'
    """
    return "labelled samples: " + "; ".join(f"{name} {', '.join(map(str, some))}" for name, some in counts.items())


def _folds_table(folds: Mapping[str, Sequence[Mapping[str, Sequence[int]]]]) -> Table:
    """The subjects of each fold. folds: data set → for each fold, part → its subjects."""
    columns = ("data set", "fold", *(f"{part} subjects" for part in ("test", "validation", "train")))
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for dataset, some in folds.items():
        for number, fold in enumerate(some, start=1):
            subjects = (", ".join(map(str, fold[part])) for part in ("test", "validation", "train"))
            table.add_row(dataset, str(number), *subjects)
    return table


def show_cautions(cautions: Sequence[str], console: Console) -> None:
    """A line for each caution of a plan."""
    for caution in cautions:
        console.print(f"note: {caution}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_damage(damage: Mapping[str, str], console: Console) -> None:
    """A line for the jobs that run again because of damaged files; nothing if there are none. damage: key → what."""
    if damage:
        first, others = next(iter(damage.values())), len(damage) - 1
        more = f", and so for {others} more" if others else ""
        jobs = "1 job runs" if not others else f"{len(damage)} jobs run"
        text = f"note: {jobs} again: {first}{more}"
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_without_model(keys: Sequence[str], console: Console) -> None:
    """A line for the trials that are trained again because they kept no model; nothing if there are none."""
    if keys:
        trials = "1 trial is" if len(keys) == 1 else f"{len(keys)} trials are"
        text = f"note: {trials} done without a model, and keep_models asks for it: stage 2 is trained again"
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_choices(results: RunResults, console: Console) -> None:
    """What the study's search has chosen so far; prints nothing while none of its trials has ended, or without one."""
    if results.plan.search:
        from harness.results.gather import gather
        from reports.formats.terminal import show_table
        from reports.parts.tables import search_table

        run = gather(results, arrays=False)
        candidates = [one for tuning in run.study["search"]["tunings"] for one in tuning["candidates"]]
        if any(one["status"] != "pending" for one in candidates):
            show_table(search_table(run), console)


def show_failures(results: RunResults, console: Console) -> None:
    """A line for each error: the failed job or the number of jobs, without anything a terminal would act on."""
    from reports.cleaning import clean

    failed: dict[str, list[tuple[str, str]]] = {}
    for job, record in results.failed():
        failed.setdefault(str(record.error), []).append((job.title, record.key[:8]))
    for error, jobs in failed.items():
        (title, key), several = jobs[0], len(jobs) > 1
        text = f"failed: {f'{len(jobs)} jobs' if several else title}: {error}"
        text += f" ({f'the first is {title}; ' if several else ''}harness logs {results.folder} {key})"
        console.print(clean(text), style="red", markup=False, highlight=False, soft_wrap=True)


def show_warnings(warnings: Sequence[TrialsWarning], console: Console) -> None:
    """A line for each sign that a training may have gone wrong."""
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_result(results: RunResults, console: Console) -> int:
    """The main tables and the failures. Returns how many trials and measurements failed."""
    from harness.results.gather import gather
    from reports.cleaning import clean
    from reports.formats.terminal import show
    from reports.parts.modalities import quality_cautions

    run = gather(results, arrays=False)
    show_choices(results, console)
    show(run, console)
    show_cautions([clean(text) for text in quality_cautions(run)], console)
    show_edge(results, console)
    show_warnings(warnings_of(results), console)
    show_failures(results, console)
    profiles = sum(record.kind == "profile" for _, record in results.failed())
    return int((run.trials["status"] == "failed").sum()) + profiles


def show_edge(results: RunResults, console: Console) -> None:
    """What was measured on devices, if anything."""
    from reports.formats.terminal import show_table
    from reports.parts.edge import profile_table

    for table in edge_tables(results):
        show_table(profile_table(asdict(table)), console)


def show_data(dataset: Dataset, recordings: Recordings, console: Console) -> None:
    """A data set in a few lines and tables."""
    about = describe(dataset, recordings)
    console.print(f"{about['name']}: {about['title']}", highlight=False, style="bold")
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_row("samples", str(about["samples"]))
    if about["unlabelled"]:
        facts.add_row("without a label", str(about["unlabelled"]))
    for modality in about["modalities"]:
        shape = " × ".join(map(str, modality["shape"]))
        facts.add_row(f"modality {modality['name']}", f"{modality['kind']}, {shape}, {modality['dtype']}")
    for part, subjects in about["default_split"].items():
        text = ", ".join(map(str, subjects)) if isinstance(subjects, list) else str(subjects)
        facts.add_row(f"split: {part}", text or ("all other subjects" if part == "train" else "none"))
    facts.add_row("label pool", str(about["label_pool"] or "the training samples that have a label"))
    facts.add_row("fingerprint", about["fingerprint"])
    for name, note in about["notes"].items():
        facts.add_row(name, ", ".join(f"{a} → {b}" for a, b in note.items()) if isinstance(note, dict) else str(note))
    console.print(facts)
    for kind in ("class", "subject"):
        columns = [kind, "samples", *(["labelled"] if kind == "subject" and about["unlabelled"] else [])]
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in about["classes" if kind == "class" else "subjects"]:
            table.add_row(*(str(row[column]) for column in columns))
        console.print(table)
