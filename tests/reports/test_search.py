"""The report's section on the search of hyper-parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_up import make

from reports.document import Document
from reports.formats.html import render
from reports.formats.terminal import plain_table
from reports.parts.answer import answer
from reports.parts.tables import main_table, search_table
from reports.run import ACCURACY, RunData
from reports.sections import document
from reports.text import selection_text


def candidate(number: int, status: str, accuracy: float | None) -> dict[str, Any]:
    return {"number": number, "values": {"stage2.lr": 0.012345678 * number, "cosmo.without": "<em>"}, "status": status,
            "accuracy": accuracy, "trials": [{"seed": 0, "key": "0" * 8, "status": status, "accuracy": accuracy, "epoch": 9}]}  # fmt: skip


def searched(**changes: Any) -> RunData:
    rates = {"utd-mhad": {"label_rate": [0.05, 0.1]}}
    done = [
        candidate(1, "done", 0.4),
        candidate(2, "stopped", 0.2),
        candidate(3, "done", 0.5),
        candidate(4, "failed", None),
    ]
    tunings = [
        {
            "dataset": "utd-mhad",
            "method": "cosmo",
            "point": {"label_rate": 0.05},
            "chosen": 3,
            "validation_labels": 27,
            "candidates": done,
        },
        {
            "dataset": "utd-mhad",
            "method": "cosmo",
            "point": {"label_rate": 0.1},
            "chosen": None,
            "validation_labels": 27,
            "candidates": [candidate(1, "pending", None)],
        },
    ]
    search = {
        "trials": 4, "seed": 0, "seeds": [0], "refit": False, "scheduler": "asha", "sampler": "random", "grace_period": 20, "reduction_factor": 3.0,
        "space": {"stage2.lr": {"loguniform": [0.0001, 0.1]}}, "tunings": tunings, **changes,
    }  # fmt: skip
    return make(rates, methods=["cosmo"], search=search)


def section(report: Document) -> str:
    return render(Document(report.title, "", (), tuple(one for one in report.sections if one.anchor == "search")))


def test_each_search_is_a_row() -> None:
    lines = plain_table(search_table(searched())).splitlines()
    assert lines[3].split()[:9] == ["Cosmo", "utd-mhad", "label", "rate", "5", "%", "2", "1", "1"]
    assert "no. 3: stage2.lr 0.037037, cosmo.without <em>" in lines[3]
    assert lines[3].split()[-2:] == ["50.0", "27"]
    assert lines[4].split()[-7:] == ["–", "–", "–", "1", "–", "–", "27"]


def test_what_did_not_happen_has_no_column() -> None:
    run = searched()
    tunings = [{**run.study["search"]["tunings"][0], "candidates": [candidate(3, "done", 0.5)]}]
    table = search_table(searched(tunings=tunings))
    assert [column.title for column in table.columns] == [
        "Method", "Data set", "At", "Trained", "Chosen", "Validation", "Validation labels",
    ]  # fmt: skip


def test_the_report_has_the_selection_rule_and_the_budget() -> None:
    page = section(document(searched()))
    for words in (
        "4 configurations drawn at random",
        "seed 0",
        "ASHA stopped the worse ones early (grace period 20, reduction factor 3)",
        "highest accuracy on the labelled validation samples at the last evaluation",
        "test samples were not used",
    ):
        assert words in page
    assert "&lt;em&gt;" in page
    assert "<em>" not in page
    assert "All of them were trained to the end." in section(document(searched(scheduler="none")))


def test_the_report_names_the_seeds_of_the_search_and_the_refit() -> None:
    run = searched(seeds=[0, 1, 2], refit=True)
    page = section(document(run))
    assert "trained 3 times each, with seeds 0, 1 and 2" in page
    assert "highest mean accuracy on the labelled validation samples" in page
    assert "chosen configurations and train on the labelled validation samples as well." in page
    assert "labelled validation samples, mean over 3 seeds." in plain_table(search_table(run))


def labels_used(run: RunData, **of_methods: int) -> RunData:
    trials = run.trials.assign(n_validation_labels=run.trials["method"].map(of_methods))
    return replace(run, trials=trials)


def test_every_table_and_the_answer_say_how_many_validation_labels_chose() -> None:
    rates = {"utd-mhad": {"label_rate": [0.05]}}
    run = make(rates, methods=["cosmo", "cpc"])
    assert selection_text(run) == ""
    epochs = labels_used(run, cosmo=27, cpc=27)
    assert (
        selection_text(epochs)
        == "Epochs selected on 27 validation labels, in addition to the labelled training samples."
    )
    tuned = labels_used(make(rates, methods=["cosmo", "cpc"], search=searched().study["search"]), cosmo=27, cpc=0)
    text = "Tuned on 27 validation labels (not CPC), in addition to the labelled training samples."
    assert selection_text(tuned) == text
    assert f"! {text}" in plain_table(main_table(tuned, "utd-mhad", ACCURACY))
    assert answer(tuned, "utd-mhad")[-1] == text
    assert text in render(document(tuned))


def test_a_study_without_a_search_has_no_such_section(report: Document) -> None:
    assert "search" not in [one.anchor for one in report.sections]
