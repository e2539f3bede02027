"""The repeats of a measured training, on a clock that the test sets, and what a table says of its energy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from small import planned, profiles

from harness.edge import profile
from harness.results import profiles as tables
from harness.results.profile_records import ProfileResult
from harness.study.edge import Measuring


@pytest.mark.parametrize("epoch_seconds", [(15.2, 14.9), (14.9, 15.2), (20.0, 30.0)])
def test_all_repeats_train_the_epochs_of_the_first(
    epoch_seconds: tuple[float, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minute ends after 4 epochs of 15.2 s, and after 5 of 14.9 s."""
    now, left = [0.0], list(epoch_seconds)

    class Training:
        def __init__(self, *_: object):
            self._seconds = left.pop(0)
            self.model = MagicMock()
            self.model.phase.return_value = SimpleNamespace(gradient=("encoders",), train_mode=())

        def epoch(self, epoch: int) -> float:
            now[0] += self._seconds
            return 0.5

        def ready_for_evaluation(self) -> None:
            pass

    monkeypatch.setattr(profile, "Training", Training)
    monkeypatch.setattr(profile, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None))
    (job,) = profiles(planned(tmp_path)[0])
    job.content["settings"]["epochs"] = 6
    parts: dict[str, Any] = {}
    measurement = MagicMock(settings=Measuring(minutes=1, repeats=2, extrapolate=True), on_part=parts.__setitem__)
    measurement.meter.window.return_value = None
    for _ in profile._measure_training(job, MagicMock(), {}, measurement):
        pass
    training = parts["training"]
    first = {15.2: 4, 14.9: 5, 20.0: 3}[epoch_seconds[0]]
    assert [repeat["epochs"] for repeat in training["repeats"]] == [first, first]
    assert training["seconds"] == pytest.approx(first * sum(epoch_seconds) / 2)
    assert training["extrapolated"]["seconds"] == pytest.approx(6 * sum(epoch_seconds) / 2)


@pytest.mark.parametrize(("hertz", "said"), [(9.8, []), (4.2, ["DeepSense: only 4.2 readings a second"])])
def test_readings_that_came_slower_than_asked_for_are_told(
    hertz: float, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    energy = {"meter": "jtop", "covers": "the board", "asked_hertz": 10.0, "hertz": hertz}
    repeat = {"epochs": 4, "seconds": 9.0, "energy": energy}
    training = {"epochs": 4, "epochs_of_the_trial": 4, "seconds": 9.0, "repeats": [repeat]}
    monkeypatch.setattr(tables, "_profile", lambda *_: ProfileResult.model_validate({"training": training}))
    first, *others = tables._notes(MagicMock(), "key", "DeepSense")
    assert first == "meter jtop, covers the board, asked for 10 readings a second"
    assert others == said
