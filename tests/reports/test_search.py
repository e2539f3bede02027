"""The report's section on the search of hyper-parameters."""

from __future__ import annotations

from typing import Any

from made_up import make

from reports.document import Document
from reports.formats.html import render
from reports.formats.terminal import plain_table
from reports.parts.tables import search_table
from reports.run import RunData
from reports.sections import document


def candidate(number: int, status: str, accuracy: float | None) -> dict[str, Any]:
    return {"number": number, "values": {"stage2.lr": 0.012345678 * number, "cosmo.without": "<em>"}, "key": "0" * 8,
            "status": status, "accuracy": accuracy, "epoch": 9}  # fmt: skip


def searched(**changes: Any) -> RunData:
    rates = {"utd-mhad": {"label_rate": [0.05, 0.1]}}
    done = [
        candidate(1, "done", 0.4),
        candidate(2, "stopped", 0.2),
        candidate(3, "done", 0.5),
        candidate(4, "failed", None),
    ]
    tunings = [
        {"dataset": "utd-mhad", "method": "cosmo", "point": {"label_rate": 0.05}, "chosen": 3, "candidates": done},
        {
            "dataset": "utd-mhad",
            "method": "cosmo",
            "point": {"label_rate": 0.1},
            "chosen": None,
            "candidates": [candidate(1, "pending", None)],
        },
    ]
    search = {
        "trials": 4, "seed": 0, "scheduler": "asha", "sampler": "random", "grace_period": 20, "reduction_factor": 3.0,
        "space": {"stage2.lr": {"loguniform": [0.0001, 0.1]}}, "tunings": tunings, **changes,
    }  # fmt: skip
    return make(rates, methods=["cosmo"], search=search)


def section(report: Document) -> str:
    return render(Document(report.title, "", (), tuple(one for one in report.sections if one.anchor == "search")))


def test_each_search_is_a_row() -> None:
    lines = plain_table(search_table(searched())).splitlines()
    assert lines[3].split()[:9] == ["Cosmo", "utd-mhad", "label", "rate", "5", "%", "2", "1", "1"]
    assert "no. 3: stage2.lr 0.037037, cosmo.without <em>" in lines[3]
    assert lines[3].split()[-1] == "50.0"
    assert lines[4].split()[-6:] == ["0", "0", "0", "1", "–", "–"]


def test_the_report_has_the_selection_rule_and_the_budget() -> None:
    page = section(document(searched()))
    for words in (
        "4 configurations drawn at random",
        "seed 0",
        "ASHA stopped the worse ones early (grace period 20, reduction factor 3)",
        "highest accuracy on the validation subjects at the last evaluation",
        "test samples were not used",
    ):
        assert words in page
    assert "&lt;em&gt;" in page
    assert "<em>" not in page
    assert "All of them were trained to the end." in section(document(searched(scheduler="none")))


def test_a_study_without_a_search_has_no_such_section(report: Document) -> None:
    assert "search" not in [one.anchor for one in report.sections]
