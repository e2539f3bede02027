"""The JSON Schema of studies: shipped studies validate, wrong ones don't, and it agrees with the reader."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness import registry
from harness.errors import StudyError
from harness.study import bundled_studies, parse_study
from harness.study.schema import study_schema
from harness.yaml.text import load

STUDIES = Path(__file__).parents[2] / "studies"
GOOD = """\
study: trial
datasets:
  - fantasy-device
  - {name: "arrays:mine", label_rate: 0.5, sweep: {arrays.group: [subject, session]}}
methods: [single-modal, cosmo]
reference: cosmo
sweep: {label_rate: [0.1, 1], cosmo.without: [nothing, guide], cosmo.stage2.lr: [0.1], cosmo.quality.samples: [9]}
seeds: [0, 7]
unlabeled: 0.5
split: {test: [1]}
stage1: {augmentations: {noise: 0.1}, optimizer: adam, betas: [0.5, 0.9]}
stage2: {epochs: 7, encoders_lr: null}
options:
  cosmo: {lambda: 0.5, stage2: {lr: 0.1}, reading: paper}
  fantasy-device: {series: 6}
search: {trials: 2, space: {stage2.momentum: {uniform: [0, 0.9]}, cosmo.positives: {randint: [2, 9]}, cpc.steps: {choice: [4, null]}}}
edge: {devices: [cpu, {name: orin, ssh: me@orin}], seeds: [7]}
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return study_schema()


def is_valid(schema: dict[str, Any], text: str) -> bool:
    return bool(Draft202012Validator(schema).is_valid(load(text, "study.yaml").value))


def is_read(text: str) -> bool:
    try:
        parse_study(text, Path("study.yaml"))
    except StudyError:
        return False
    return True


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("study", bundled_studies(), ids=lambda path: path.stem)
def test_the_studies_that_come_with_the_package_are_valid(schema: dict[str, Any], study: Path) -> None:
    text = study.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=study.schema.json\n")
    assert [error.message for error in Draft202012Validator(schema).iter_errors(load(text, study.name).value)] == []


def test_the_copy_beside_the_studies_is_up_to_date(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Made with ``harness study schema > studies/study.schema.json``."""
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    registry.paths.cache_clear()
    request.addfinalizer(registry.paths.cache_clear)
    assert json.loads((STUDIES / "study.schema.json").read_text(encoding="utf-8")) == study_schema()


def test_every_short_form_is_valid(schema: dict[str, Any]) -> None:
    assert is_valid(schema, GOOD)
    assert is_read(GOOD)
    for seeds in ("5", "[3]"):
        assert is_valid(schema, GOOD.replace("[0, 7]", seeds).replace("seeds: [7]", "seeds: null"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("study: trial\n", ""),
        ("study: trial", "study: ../up"),
        ("seeds: [0, 7]", "seeds: 0"),
        ("seeds: [0, 7]", "seeds: []"),
        ("seeds: [0, 7]", "sedes: 2"),
        ("- fantasy-device", "- fantasy-devise"),
        ("- fantasy-device", "- arrays"),
        ("- fantasy-device", "- fantasy-device\n  - fantasy-device"),
        ("name: ", "nome: "),
        ("[single-modal, cosmo]", "[single-modal, cosmos]"),
        ("[single-modal, cosmo]", "[cosmo, cosmo]"),
        ("[single-modal, cosmo]", "cosmo"),
        ("[0.1, 1]", "0.1"),
        ("[0.1, 1]", "[]"),
        ("[0.1, 1]", "[0.1, 2]"),
        ("[0.1, 1]", "[0.1, 0.1]"),
        ("{label_rate: [", "{labelrate: ["),
        ("cosmo.without: [nothing", "cosmo.without: [nohting"),
        ("cosmo.stage2.lr: [0.1]", "cosmo.stage2.lr: [0]"),
        ("cosmo.stage2.lr: [0.1]", "cosmo.stage2.rl: [0.1]"),
        ("cosmo.quality.samples", "cosmo.quality.sample"),
        ("unlabeled: 0.5", "unlabeled: none"),
        ("{test: [1]}", "{test: 1}"),
        ("{epochs: 7,", "{epochs: 7.5,"),
        ("{epochs: 7,", "{epoch: 7,"),
        ("optimizer: adam", "optimizer: adamw"),
        ("[0.5, 0.9]", "[0.5]"),
        ("lambda: 0.5", "lambda: 2"),
        ("lambda: 0.5", "lamda: 0.5"),
        ("reading: paper", "reading: papers"),
        ("{noise: 0.1}", "{nose: 0.1}"),
        ("{series: 6}", "{series: 1}"),
        ("uniform: [0, 0.9]", "uniform: [0]"),
        ("uniform: [0, 0.9]", "unifrom: [0, 0.9]"),
        ("randint: [2, 9]", "randint: [2, 9.5]"),
        ("choice: [4, null]", "choice: []"),
        ("{trials: 2,", "{trials: 0,"),
        ("stage2.momentum: {uniform", "label_rate: {uniform"),
        ("[cpu, {name: orin", "[cpu, {nome: orin"),
        ("[cpu, {name: orin", "['../cpu', {name: orin"),
    ],
)
def test_a_study_that_the_reader_refuses_is_not_valid(schema: dict[str, Any], old: str, new: str) -> None:
    assert old in GOOD
    wrong = GOOD.replace(old, new, 1)
    assert not is_read(wrong)
    assert not is_valid(schema, wrong)
