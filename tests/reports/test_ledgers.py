"""Reports of ledgers that are complete, unfinished, damaged, old or hostile; of several runs; comparisons of two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_ledger import CLASSES, MODALITIES, write_ledger

from harness.errors import InputError
from harness.provenance import git_state, provenance
from harness.results.gather import changed_options, formats_of, gather, write_comparison, write_reports
from reports.charts import LineChart, ScatterPlot
from reports.document import Document, Figure, Note, Prose, Table
from reports.overview import overview_document
from reports.run_comparison import compare_runs
from reports.sections import document


def texts(made: Document) -> str:
    """All texts of a document."""
    found = [made.title, made.subtitle, *(note.text for note in made.notes)]
    for section in made.sections:
        found.append(section.title)
    for block in made.blocks:
        if isinstance(block, Table):
            found += [block.title, block.caption, *(note.text for note in block.notes)]
            found += [column.title for column in block.columns]
            found += [getattr(cell, "text", "") for row in block.rows for cell in row]
        elif isinstance(block, Figure):
            found += [block.title, block.alt, block.caption]
        else:
            found.append(block.text)
    return "\n".join(found)


def anchors(made: Document) -> list[str]:
    return [section.anchor for section in made.sections]


def test_a_complete_run_has_every_section(tmp_path: Path) -> None:
    run = gather(write_ledger(tmp_path))
    made = document(run)
    assert anchors(made) == [
        "answer", "data-pretend", "compared", "robust", "classes", "learning", "modalities", "cost", "setup", "trials",
        "provenance",
    ]  # fmt: skip
    text = texts(made)
    for words in (
        "git commit 0123456789abcdef, with uncommitted changes",
        "Attention: acc",
        "Not available: attention of DeepSense and CMC (the method's classifier has no attention).",
        "Hopkins H",
        "Loss of stage 1 by epoch",
        "made-up",
        "made_up.yaml:4",
        "harness run made_up.yaml",
    ):
        assert words in text


def test_the_features_of_the_first_seed_are_drawn_in_a_plane(tmp_path: Path) -> None:
    made = document(gather(write_ledger(tmp_path)))
    early, late = [block for block in made.blocks if isinstance(block, Figure) and isinstance(block.chart, ScatterPlot)]
    (panel,) = late.chart.panels  # type: ignore[union-attr]
    assert panel.title == "Cosmo: D̄ = 0.50"
    assert len(panel.points) == len(MODALITIES)
    assert len(panel.points[0]) == 8 * len(CLASSES)
    assert "explain 60 % of their variance" in late.caption
    assert "explain 70 % and 70 % of their variance" in early.caption
    assert [len(panel.points[0]) for panel in early.chart.panels] == [20, 20]  # type: ignore[union-attr]


def test_confusions_and_classes_are_those_of_the_predictions(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, {"label_rate": [0.05]}, methods=("cosmo",), seeds=2)
    run = gather(ledger)
    keys = [trial.key for trial in ledger.plan.trials]
    pooled = sum(run.details[key]["confusion"] for key in keys)
    assert pooled.sum() == 2 * 8 * len(CLASSES)
    assert np.trace(pooled) / pooled.sum() == pytest.approx(run.trials["accuracy"].mean())
    (table,) = [
        block
        for block in document(run).blocks
        if isinstance(block, Table) and block.title.startswith("Accuracy by class")
    ]
    assert [cell.rank for row in table.rows for cell in row[2:]] == pytest.approx(
        list(np.diag(pooled) / pooled.sum(axis=1))
    )  # type: ignore[union-attr]


def test_an_ablation_is_shown_as_differences_to_the_full_method(tmp_path: Path) -> None:
    parts = ["contrastive", "nothing", "guide"]
    run = gather(write_ledger(tmp_path, {"cosmo.without": parts}, methods=("cosmo",), seeds=4))
    made = document(run)
    section = next(section for section in made.sections if section.anchor == "ablation")
    figure, table = section.blocks[:2]
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert "against the full method" in table.title
    assert [getattr(row[1], "text", "") for row in table.rows] == ["contrastive", "guide"]
    trials = run.trials.pivot(index="seed", columns="cosmo.without", values="accuracy")
    assert table.rows[1][2].rank == pytest.approx(100 * (trials["guide"] - trials["nothing"]).mean())  # type: ignore[union-attr]


@pytest.mark.parametrize("fate", ["pending", "failed"])
def test_a_run_without_a_finished_trial_says_so(tmp_path: Path, fate: str) -> None:
    made = document(gather(write_ledger(tmp_path, fate=lambda trial: fate)))
    text = texts(made)
    assert "has produced results yet, so there is no answer" in text
    assert "There are no predictions or learning curves yet." in text
    assert ("Not finished" if fate == "pending" else "Failed: 18 trials of 18") in text


def test_one_seed_and_a_method_with_failures_only(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, seeds=1, fate=lambda trial: "failed" if trial["method"] == "cmc" else "done")
    text = texts(document(gather(ledger)))
    assert "a single seed cannot show how much of this is due to chance" in text
    assert "RuntimeError: the loss is <script>alert(1)</script> NaN" in text
    assert "2 trials: CMC (pretend, label rate 5 %, seed 0" in text


def test_damaged_and_old_records_are_clear_errors(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, seeds=1)
    path = sorted((tmp_path / "records").iterdir())[0]
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{path.name} is damaged .*; delete it and run again"):
        gather(ledger)
    path.write_text(json.dumps({**json.loads(whole), "schema": 0}))
    with pytest.raises(InputError, match=rf"{path.name} has schema 0, this version reads 1"):
        gather(ledger)
    path.write_text(whole)
    artefact = next((tmp_path / "artefacts").rglob("*.npz"))
    artefact.write_bytes(b"no npz")
    with pytest.raises(InputError, match="is damaged or missing: `harness doctor"):
        gather(ledger)


def test_records_of_another_study_in_the_folder_are_counted_and_left_out(tmp_path: Path) -> None:
    write_ledger(tmp_path, {"label_rate": [0.2]}, seeds=2)
    ledger = write_ledger(tmp_path, {"label_rate": [0.05]}, seeds=2)
    run = gather(ledger)
    assert len(run.trials) == 6
    assert "holds 6 records of other plans, which this report does not show" in texts(document(run))


def test_a_missing_provenance_is_reported(tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path, seeds=1)
    study = json.loads((tmp_path / "study.json").read_text())
    del study["provenance"], study["text"]
    (tmp_path / "study.json").write_text(json.dumps(study))
    assert "The state of the code was not recorded" in texts(document(gather(ledger)))


def test_several_runs_make_one_page_with_an_overview_first(tmp_path: Path) -> None:
    ledgers = [
        write_ledger(tmp_path / name, seeds=2, methods=methods)
        for name, methods in (("a", ("cmc", "cosmo")), ("b", ("cosmo", "deepsense")))
    ]
    made = overview_document([gather(ledger) for ledger in ledgers])
    assert made.title == "2 studies"
    assert made.sections[0].anchor == "overview"
    assert {"made-up-a-answer", "made-up-b-answer"} <= set(anchors(made))
    assert list(made.trials) == ["made_up (a)", "made_up (b)"]
    styles = {
        (s.name, s.style)
        for f in made.blocks
        if isinstance(f, Figure) and isinstance(f.chart, LineChart)
        for p in f.chart.panels
        for s in p.series
    }
    assert len(styles) == 3  # a method has the same style in both
    paths = write_reports(ledgers, ["html", "csv"])
    assert paths[0] == tmp_path / "report.html"
    assert (tmp_path / "report-csv" / "trials-made-up-a.csv").is_file()


def test_runs_are_compared_by_paired_trials(tmp_path: Path) -> None:
    one = write_ledger(tmp_path / "a", {"label_rate": [0.05, 0.1]}, seeds=3)
    two = write_ledger(tmp_path / "b", {"label_rate": [0.05]}, seeds=4, methods=("cmc", "cosmo"))
    study = json.loads((two.folder / "study.json").read_text())
    study["in_force"]["pretend"]["cosmo"]["method.lambda"]["value"] = 0.5
    study["provenance"]["git"] = {"commit": "fedcba", "dirty": False}
    (two.folder / "study.json").write_text(json.dumps(study))
    runs = gather(one, False), gather(two, False)
    made = compare_runs(*runs)
    text = texts(made)
    assert "2 combinations of method and point are in both runs, 4 only in made_up (a)" in text
    assert "Of 6 pairs of trials" in text
    assert "cosmo.lambda\n0.8\n0.5" in text
    assert "0123456789abcdef\nfedcba" in text
    assert "The data are the same" in text
    table = next(block for block in made.blocks if isinstance(block, Table))
    figures = [
        run.trials.query("method == 'cosmo' and label_rate == 0.05 and seed < 3").set_index("seed")["accuracy"]
        for run in runs
    ]
    row = next(row for row in table.rows if getattr(row[0], "text", "") == "Cosmo")
    assert row[2].rank == pytest.approx(100 * (figures[1] - figures[0]).mean())  # type: ignore[union-attr]
    assert write_comparison(made, (one, two), ["html"])[0] == tmp_path / "comparison.html"


def test_trials_with_different_labelled_samples_are_not_paired(tmp_path: Path) -> None:
    one, two = (write_ledger(tmp_path / name, {"label_rate": [0.05]}, seeds=2) for name in "ab")
    for path in (two.folder / "records").iterdir():
        record = json.loads(path.read_text())
        if record["kind"] == "train":
            record["content"]["samples"]["labelled"] = "0" * 20
            path.write_text(json.dumps(record))
    made = compare_runs(gather(one, False), gather(two, False))
    assert "without pairs" in texts(made)
    assert not any(isinstance(block, Figure) for block in made.blocks)


def test_a_run_compared_with_itself_has_no_differences(tmp_path: Path) -> None:
    run = gather(write_ledger(tmp_path, seeds=2), False)
    text = texts(compare_runs(run, run))
    assert "All options are the same." in text
    assert "Of 12 pairs of trials, 12 have exactly equal accuracies" in text
    assert "Code, versions and machines are the same" in text


def test_formats_are_checked() -> None:
    assert formats_of(["pdf, html", "pdf"]) == ["pdf", "html"]
    with pytest.raises(InputError, match="docx is no report format; there are html, pdf, latex, csv"):
        formats_of(["html,docx"])


def test_the_command_writes_known_formats_and_rejects_others(tmp_path: Path) -> None:
    write_ledger(tmp_path / "run", seeds=1)

    def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)

    done = harness("report", "run", "--format", "csv,html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["report: run/report-csv/trials.csv", "report: run/report.html"]
    wrong = harness("report", "run", "--format", "docx")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "docx is no report format" in wrong.stderr
    compared = harness("compare", "run", "run")
    assert compared.returncode == 0, compared.stderr
    assert "All options are the same." in compared.stdout
    (tmp_path / "run" / "plan.json").write_text("{")
    broken = harness("report", "run")
    assert broken.returncode == 2
    assert "plan.json is damaged" in broken.stderr


def test_the_state_of_the_code_is_that_of_its_own_checkout(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert "absent" in git_state(tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("1\n")
    git("init", "-q")
    assert "absent" in git_state(tmp_path / "package")  # inside a checkout, but not tracked by it
    git("add", "-A")
    git("commit", "-qm", "one")
    assert git_state(tmp_path / "package") == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "package" / "code.py").write_text("2\n")
    assert git_state(tmp_path / "package")["dirty"] is True
    assert provenance()["packages"]["torch"]


def test_notes_are_shown_at_every_figure_of_test_scores(tmp_path: Path) -> None:
    made = document(gather(write_ledger(tmp_path, seeds=1, select="oracle")))
    shown = [block for block in made.blocks if isinstance(block, Figure) and "stage 1" not in block.title]
    assert shown
    assert all(any("Leakage" in note.text for note in figure.notes) for figure in shown)
    assert not any(isinstance(block, Prose) and "not used to select anything" in block.text for block in made.blocks)
    assert isinstance(made.notes[0], Note)


def test_every_changed_option_is_listed_once_with_its_line() -> None:
    def leaf(value: object, source: str) -> dict[str, object]:
        return {"value": value, "source": source}

    stages = {
        "stage1.epochs": leaf(3, "/home/me/s.yaml:4"),
        "stage2.lr": leaf(0.1, "--set stage2.lr=0.1"),
        "seeds": leaf(5, "default"),
    }
    own = {"method.lambda": leaf(0.5, "/home/me/s.yaml:9"), "data.stride": leaf(7, "sweep")}
    options = changed_options({"d:x": {"cosmo": {**stages, **own}, "cmc": stages}}, "/home/me/s.yaml")
    assert [(option["path"], option["value"], option["source"]) for option in options] == [
        ("stage1.epochs", "3", "s.yaml:4"),
        ("stage2.lr", "0.1", "--set stage2.lr=0.1"),
        ("cosmo.lambda", "0.5", "s.yaml:9"),
    ]
    assert [len(option["holds_for"]) for option in options] == [2, 2, 1]  # a swept option has no value of its own
