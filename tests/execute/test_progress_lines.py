"""What a run prints where there is no terminal, with real training."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from stubs import slowly

from harness.execute.base import Executor
from harness.execute.inline import InlineExecutor
from harness.ledger import Ledger
from harness.plan import make_plan
from harness.show import progress
from harness.show.progress import PlainProgress
from harness.show.run_progress import RunProgress
from harness.study import read_study

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [cosmo]
sweep: {label_rate: [0.2, 0.4]}
seeds: 1
stage1: {epochs: 8}
stage2: {epochs: 6}
options: {fantasy-device: {series: 6, seconds: 12}, cosmo: {quality: {restarts: 1, subsets: 0}}}
"""
LEFT = r"(about .* left|done any moment now)"


def lines_of(executor: Executor, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(progress, "FIRST_UPDATE_SECONDS", 0.1)
    monkeypatch.setattr(progress, "UPDATE_SECONDS", (0.5, 0.5))
    (folder / "study.yaml").write_text(STUDY)
    plan, ledger = make_plan(read_study(folder / "study.yaml"), None), Ledger(folder / "run")
    ledger.write_plan(plan.study_json(), plan.to_json())
    jobs, out = list(plan.jobs.values()), io.StringIO()
    with PlainProgress(Console(file=out, width=40), RunProgress(jobs)) as observer:
        executor.run(jobs, plan.data, ledger, observer)
    assert all(record["status"] == "done" for record in ledger.records())
    assert not any("running" in path.read_text() for path in folder.rglob("logs/*"))
    return out.getvalue().splitlines()


def check(lines: list[str]) -> None:
    def some(pattern: str) -> list[str]:
        return [line for line in lines if re.fullmatch(pattern, line)]

    stage1 = r"running  pretrain cosmo · fantasy-device · seed 0: "
    epochs = r"epoch \d of 8 · loss \d\.\d+ \(floor 2\.079\) · [\d.]+ s so far · "
    assert len(some(stage1 + epochs + ".*")) >= 2
    assert some(stage1 + epochs + LEFT)
    assert some(r"0 of 3 jobs done · 1 running · .* so far · at least .* \(not timed yet: stage 2 of cosmo\)")
    stage2 = r"running  train cosmo · fantasy-device · seed 0 · label_rate 0\.\d: "
    assert some(stage2 + r"epoch \d of 6 · loss \d\.\d+ · [\d.]+ s so far · " + LEFT)
    assert some(r"[12] of 3 jobs done · [12] running · .* so far · " + LEFT)
    assert len(some(r"done     .* in .* s")) == 3


def test_inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(lines_of(InlineExecutor(slowly), tmp_path, monkeypatch))


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.execute.ray_tune import RayExecutor

    check(lines_of(RayExecutor(perform=slowly), tmp_path, monkeypatch))
