"""New studies written by `harness init` are valid, and describe the data that they name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.errors import InputError
from harness.plan.new_study import new_study
from harness.study import parse_study


def test_a_new_study_is_valid_and_compares_the_usual_methods() -> None:
    text = new_study(Path("folder/mine.yaml"), "fantasy-device", [], None)
    study = parse_study(text, Path("mine.yaml"))
    assert study.file.study == "mine"
    assert study.file.reference == "cosmo"
    assert {"single-modal", "deepsense", "cosmo"} <= set(study.file.methods)
    assert study.file.sweep == {"labels_per_class": [1, 5, 20]}
    assert "792 samples" in text
    assert "harness run folder/mine.yaml --dry-run" in text


@pytest.mark.parametrize("method", registry.BUILT_IN["methods"])
def test_any_method_can_be_named(method: str) -> None:
    study = parse_study(new_study(Path("a.yaml"), "fantasy-device", [method], None), Path("a.yaml"))
    assert (study.file.methods, study.file.reference) == ([method], method)


@pytest.mark.parametrize(
    ("file", "name"), [("on.yaml", "study_on"), ("2024 data.yaml", "study_2024_data"), ("-.yaml", "study")]
)
def test_any_file_name_gives_a_valid_name(file: str, name: str) -> None:
    assert parse_study(new_study(Path(file), "fantasy-device", [], None), Path(file)).file.study == name


def test_own_arrays_with_one_modality_get_the_methods_that_can_use_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label, subject = np.tile([0, 1], 12), np.repeat([1, 2, 3], 8)
    np.savez(tmp_path / "wrist.npz", acc=rng.normal(size=(24, 50, 3)), label=label, subject=subject)
    (tmp_path / "wrist.json").write_text(json.dumps({"modalities": ["acc"], "activities": ["sit", "walk"]}))
    text = new_study(Path("wrist.yaml"), "arrays:wrist", [], tmp_path)
    study = parse_study(text, Path("wrist.yaml"))
    assert "cosmo" not in study.file.methods
    assert "deepsense" in study.file.methods
    assert study.file.sweep == {"labels_per_class": [1]} or study.file.sweep == {"labels_per_class": [1, 5]}
    for fact in ("24 samples", "acc 50 × 3", "sit, walk", "test 3"):
        assert fact in text


@pytest.mark.parametrize(
    ("dataset", "methods", "message"),
    [
        ("fantasy", [], "did you mean 'fantasy-device'"),
        ("arrays", [], "arrays needs a name"),
        ("fantasy-device", ["cosmoo"], "did you mean 'cosmo'"),
    ],
)
def test_unknown_names_are_refused(dataset: str, methods: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        new_study(Path("a.yaml"), dataset, methods, None)
