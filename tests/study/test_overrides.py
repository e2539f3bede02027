"""Values that replace a study's, on the command line and from Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.study.overrides import override_text
from harness.yaml.text import load

from .good_study import GOOD, problems, read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2, "2"),
        ([10, 20], "[10, 20]"),
        ((10, 20), "[10, 20]"),
        (range(3), "[0, 1, 2]"),
        (np.int64(3), "3"),
        (np.array([0.1, 0.5]), "[0.1, 0.5]"),
        (1e-05, "1e-05"),
        ("0.5", '"0.5"'),
        ("no", '"no"'),
        (True, "true"),
        (None, "null"),
        (Path("a/b"), '"a/b"'),
        ({"label_rate": [0.1]}, '{"label_rate": [0.1]}'),
    ],
)
def test_values_reach_the_study_as_they_are(value: Any, text: str) -> None:
    assert override_text("name", value) == f"name={text}"
    assert load(text, "here").value == json.loads(text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seeds", "--set seeds: this is not of the form key=value"),
        ("seeds=x", "--set seeds=x: seeds: 'x' should be a number of seeds"),
        ("stage9.epochs=3", "--set stage9.epochs=3: stage9: there is no such option\n    did you mean 'stage"),
        ("stage2.epochs=0.5", "--set stage2.epochs=0.5: stage2.epochs: 0.5 should be a valid integer"),
        ("cosmo.lambda=2", "--set cosmo.lambda=2: cosmo.lambda: 2 should be less than or equal to 1"),
        ("cosmo.lamda=1", "--set cosmo.lamda=1: cosmo.lamda: there is no such option\n    did you mean 'lambda'?"),
        ("methods=[cosmoo]", "--set methods=[cosmoo]: methods.0: there is no method 'cosmoo'"),
        ("sweep.label_rate=[]", "--set sweep.label_rate=[]: sweep.label_rate: the sweep is empty"),
        ("seeds.x=1", "--set seeds.x=1: seeds.x: 'seeds' is not a mapping"),
    ],
)
def test_overrides_go_through_the_same_check(tmp_path: Path, override: str, message: str) -> None:
    found = problems(tmp_path, GOOD, override)
    assert len(found) == 1, found
    assert message in found[0]


def test_an_override_wins(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD, "stage2.epochs=3", "cosmo.lambda=0.25", "sweep={cosmo.positives: [3, 9]}", "seeds=[4]")
    settings = study.settings(study.file.datasets[0], "cosmo", {"cosmo.positives": 3})
    assert settings.general.stage2.epochs == 3
    assert settings.layer[("stage2", "epochs")].source == "--set stage2.epochs=3"
    assert settings.stage2_options.to_json()["lambda"] == 0.25
    assert settings.stage1_options is not None
    assert settings.stage1_options.to_json()["positives"] == 3
    assert study.file.seeds == [4]
