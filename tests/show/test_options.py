"""Options as `harness list` and `harness run --dry-run --options` show them."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness import registry
from harness.errors import InputError
from harness.plan import make_plan
from harness.show.listing import options_of
from harness.show.options import show_plugin, show_settings, show_values
from harness.study import read_study
from harness.study.model import General

STUDY = """\
study: small
datasets: [fantasy-device]
methods: [deepsense, cosmo]
sweep: {label_rate: [0.1, 0.3]}
seeds: 2
stage2: {epochs: 3}
options:
  fantasy-device: {series: 6, seconds: 12}
  cosmo: {reading: authors-code, guide: none, stage2: {epochs: 9}}
"""


def console(width: int = 80) -> Console:
    return Console(width=width, record=True, file=io.StringIO())


@pytest.mark.parametrize(
    ("name", "values", "default"),
    [
        ("label_rate", "number in (0, 1]", 0.05),
        ("unlabeled", "all | rest or integer ≥ 1 or number in (0, 1]", "all"),
        ("split.test", "list of integers or text", None),
        ("stage1.batch_norm", "local | sync", "local"),
        ("stage1.betas", "2 numbers in [0, 1)", [0.9, 0.999]),
        ("stage1.lr_milestones", "list of integers ≥ 1", []),
        ("stage2.encoders_lr", "number > 0", None),
    ],
)
def test_an_option_says_what_it_may_be(name: str, values: str, default: object) -> None:
    option = {option.name: option for option in options_of(General)}[name]
    assert (option.values, option.default) == (values, default)
    assert option.meaning


@pytest.mark.parametrize("kind", ["methods", "datasets", "meters"])
def test_every_plug_in_is_shown_in_80_columns(kind: str) -> None:
    for name in registry.BUILT_IN[kind]:
        shown = console()
        show_plugin(kind, name, shown)
        text = shown.export_text()
        assert text.startswith(f"{name}: ")
        assert max(map(len, text.splitlines())) <= 80


def test_a_method_shows_its_options_and_what_each_reading_sets() -> None:
    shown = console(160)
    show_plugin("methods", "cosmo", shown)
    lines = [" ".join(line.split()) for line in shown.export_text().splitlines()]
    assert "lambda number in [0, 1] 0.8 λ, the weight of the guide: 0 is attention alone, 1 the guide alone" in lines
    assert "paper (default) nothing" in lines
    assert any(line.startswith("authors-code renormalise: true, freeze: false") for line in lines)
    assert "iterative iterative: false" in lines


def test_settings_can_be_shown_by_group() -> None:
    shown = console()
    show_settings("stage2", shown)
    text = shown.export_text()
    assert "stage2.evaluate_every" in text
    assert "stage1.epochs" not in text
    with pytest.raises(InputError, match="there is no setting 'stage3': did you mean 'stage"):
        show_settings("stage3", shown)


def test_every_value_in_force_has_its_source(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY, encoding="utf-8")
    shown = console(200)
    show_values(make_plan(read_study(path, ["cosmo.lambda=0.3"]), None), shown)
    lines = {" ".join(line.split()) for line in shown.export_text().splitlines()}
    for line in (
        "methods [deepsense, cosmo] small.yaml:3",
        "seeds [0, 1] small.yaml:5",
        "threads 1 default",
        "label_rate swept: [0.1, 0.3] small.yaml:4",
        "stage1.momentum 0.9 default",
        "stage2.epochs 3 small.yaml:6 deepsense",
        "stage2.epochs 9 small.yaml:9 cosmo",
        "stage2.lr 0.01 default deepsense",
        "stage2.lr 0.001 cosmo.reading: authors-code cosmo",
        "stage2.encoders_lr null default",
        "cosmo.lambda 0.3 --set cosmo.lambda=0.3",
        "cosmo.freeze false cosmo.reading: authors-code",
        "fantasy-device.series 6 small.yaml:8",
    ):
        assert line in lines, sorted(lines)
