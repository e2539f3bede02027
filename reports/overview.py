"""One report of several studies: an overview first, then what each has to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reports.document import Column, Document, Note, Prose, Section, Table, Text
from reports.parts.answer import answer
from reports.run import Run
from reports.sections import all_sections, own_anchors
from reports.text import clean, count, listing


def document_of_several(runs: Sequence[Run], generated: str | None = None) -> Document:
    """The report of several runs. A method looks the same in all of them; runs of one name are told apart by their folders."""
    everyone = sorted({method for run in runs for method in run.methods})
    runs = [replace(run, study={**run.study, "style_among": everyone}) for run in runs]
    names = run_names(runs)
    sections = [Section("Overview", "overview", (overview_table(runs, names), *_answers(runs, names)))]
    for run, name in zip(runs, names, strict=True):
        for section in all_sections(run):
            sections.append(Section(f"{name}: {section.title}", f"{name}-{section.anchor}", section.blocks))
    notes = tuple(note for run, name in zip(runs, names, strict=True) for note in _notes(run, name))
    trials = dict(zip(names, (run.trials for run in runs), strict=True))
    return Document(
        f"{count(len(runs), 'study').replace('studys', 'studies')}",
        listing(names),
        notes,
        own_anchors(sections),
        generated,
        trials,
    )


def run_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its study's; with its folder, and a number if need be, where several share it."""
    studies = Counter(str(run.study["study"]) for run in runs)
    names: list[str] = []
    for run in runs:
        name = str(run.study["study"])
        if studies[name] > 1:
            name = f"{name} ({run.study.get('folder') or 'run'})"
        wanted, number = clean(name), 1
        while clean(name) in names:
            number += 1
            name = f"{wanted} {number}"
        names.append(clean(name))
    return names


def overview_table(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """A row a run: what it asks, on what, and how far it is."""
    rows = tuple(
        (
            Text(name),
            Text(clean(run.study["question"] or run.study["title"] or "–")),
            Text(listing([clean(dataset) for dataset in run.datasets])),
            *(
                Text(str(n), rank=n)
                for n in (len(run.methods), *(run.count(status) for status in ("done", "failed", "pending")))
            ),
        )
        for run, name in zip(runs, names, strict=True)
    )
    heads = (
        Column("Study"),
        Column("Question"),
        Column("Data"),
        *(Column(h, True) for h in ("Methods", "Done", "Failed", "To come")),
    )
    return Table("Studies", "Trials by state.", heads, rows)


def _answers(runs: Sequence[Run], names: Sequence[str]) -> list[Prose]:
    return [
        Prose(f"{name}: {' '.join(answer(run, dataset))}")
        for run, name in zip(runs, names, strict=True)
        for dataset in run.datasets
    ]


def _notes(run: Run, name: str) -> list[Note]:
    from reports.text import status_notes

    return [replace(note, text=f"{name}: {note.text}") for note in status_notes(run)]
