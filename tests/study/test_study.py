"""Bad studies: each fault gives one message with place, key, what is wrong and what would be right."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, StudyError
from harness.options import Augmentations
from harness.plan import make_plan
from harness.study import parse_study, read_study
from harness.study.settings import Value, flatten, nest

from .good_study import GOOD, problems, read


@pytest.mark.parametrize(
    ("old", "new", "place", "others"),
    [
        ("seeds: 2", "labels: 8", "study.yaml:6: labels", "label_rate (study.yaml:5)"),
        ("seeds: 2", "labels_per_class: 8", "study.yaml:6: labels_per_class", "label_rate (study.yaml:5)"),
        ("label_rate: [0.1, 0.2]", "labels: [8], label_rate: [0.1]", "study.yaml:5: sweep.labels", "label_rate"),
        (
            "  - fantasy-device",
            "  - {name: fantasy-device, labels: 8}",
            "study.yaml:3: datasets.0.labels",
            "label_rate",
        ),
        ("sweep: {label_rate: [0.1, 0.2]}", "labels: 8\nlabel_list: a.json", "study.yaml:5: labels", "label_list"),
    ],
)
def test_one_key_says_which_samples_are_labelled(tmp_path: Path, old: str, new: str, place: str, others: str) -> None:
    (problem,) = problems(tmp_path, GOOD.replace(old, new))
    assert problem.startswith(f"{place}: ")
    assert "both say which samples are labelled\n    give one of them; also set: " in problem
    assert others in problem


def test_label_keys_of_a_data_set_override_the_study(tmp_path: Path) -> None:
    text = GOOD.replace("sweep: {label_rate: [0.1, 0.2]}", "label_rate: 0.3")
    entries = ("{name: fantasy-device, labels: 8}", "{name: fantasy-device, sweep: {labels: [8]}}")
    for entry, point in zip(entries, ({}, {"labels": 8}), strict=True):
        study = read(tmp_path, text.replace("  - fantasy-device", f"  - {entry}"))
        general = study.settings(study.file.datasets[0], "cosmo", point).general
        assert (general.labels, general.label_rate) == (8, 0.05)
    listed = text.replace("  - fantasy-device", "  - {name: fantasy-device, label_list: a.json}")
    study = read(tmp_path, listed)
    assert study.settings(study.file.datasets[0], "cosmo", {}).general.label_rate == 0.3


def test_null_stands_for_the_default_also_where_it_replaces_a_value_of_the_study(tmp_path: Path) -> None:
    own = "labels: null, validation_labels: null, sweep: null, folds: null, split: null, stage2: null"
    text = GOOD.replace("  - fantasy-device", f"  - fantasy-device\n  - {{name: arrays:own, {own}}}")
    text = text.replace("sweep: {label_rate", "labels: 12\nvalidation_labels: 2\nsweep: {unlabeled")
    study = read(tmp_path, text + "folds: {subjects_per_fold: 2}\n", "stage1=null")
    first, second = (study.settings(entry, "deepsense", {}).general for entry in study.file.datasets)
    assert (first.labels, first.validation_labels, first.stage2.epochs) == (12, 2, 7)
    assert (second.labels, second.validation_labels, second.stage2.epochs) == (None, None, 100)
    assert [bool(study.file.folds_of(entry)) for entry in study.file.datasets] == [True, False]
    assert [list(study.file.sweep_of(entry)) for entry in study.file.datasets] == [["unlabeled"], []]
    rated = GOOD.replace("  - fantasy-device", "  - {name: fantasy-device, labels: null}") + "labels: 12\n"
    assert read(tmp_path, rated, "split.test=[1]", "split=null").file.split == {}


def test_a_good_study_is_read(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD)
    entry = study.file.datasets[0]
    settings = study.settings(entry, "cosmo", {"label_rate": 0.2})
    assert (settings.general.label_rate, settings.general.stage2.epochs, settings.general.stage2.batch_size) == (
        0.2,
        7,
        16,
    )
    assert settings.stage2_options.to_json()["lambda"] == 0.5
    assert settings.layer[("stage2", "epochs")].source.endswith("study.yaml:7")
    assert settings.layer[("method", "lambda")].source.endswith("study.yaml:9")
    assert study.file.seeds == [0, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2", "seed: 2", "study.yaml:6: seed: there is no such option\n    did you mean 'seeds'?"),
        (
            "seeds: 2",
            "seeds: 0",
            "study.yaml:6: seeds: 0 should be a number of seeds, at least 1, or a list of distinct integers",
        ),
        ("seeds: 2", "seeds: [1, 1]", "study.yaml:6: seeds: [1, 1] should be a number of seeds"),
        ("seeds: 2", "threads: true", "study.yaml:6: threads: True should be a valid integer"),
        ("seeds: 2", "select: best", "study.yaml:6: select: 'best' should be 'last', 'validation' or 'oracle'"),
        ("seeds: 2", "seeds: 2\nseeds: 3", "study.yaml:7: invalid YAML: found duplicate key"),
        ("seeds: 2", "seeds: [1, 2", "invalid YAML"),
        ("seeds: 2", "label_rate: 1.5", "study.yaml:6: label_rate: 1.5 should be less than or equal to 1"),
        ("seeds: 2", "unlabeled: none", "study.yaml:6: unlabeled: 'none' should be all, rest"),
        ("seeds: 2", "unlabeled: true", "study.yaml:6: unlabeled: True should be all, rest"),
        (
            "seeds: 2",
            "split: {test: [1], tset: [2]}",
            "study.yaml:6: split.tset: there is no such option\n    did you mean 'test'?",
        ),
        ("study: trial", "study: ../up", "study.yaml:1: study: '../up' does not match ^[A-Za-z0-9]"),
        ("study: trial\n", "", "study.yaml:1: study: this is required\n    add `study: …`"),
        (
            "  - fantasy-device",
            "  - fantasy-devise",
            "study.yaml:3: datasets.0: there is no data set 'fantasy-devise'\n    did you mean 'f",
        ),
        (
            "  - fantasy-device",
            "  - {name: arrays}",
            "study.yaml:3: datasets.0: 'arrays' needs a name\n    for example arrays:my_recordings",
        ),
        (
            "  - fantasy-device",
            "  - fantasy-device\n  - fantasy-device",
            "study.yaml:4: datasets.1: 'fantasy-device' is listed twice",
        ),
        (
            "deepsense",
            "deepsens",
            "study.yaml:4: methods.0: there is no method 'deepsens'\n    did you mean 'deepsense'?",
        ),
        ("[deepsense, cosmo]", "[]", "study.yaml:4: methods: [] list should have at least 1 item"),
        ("[deepsense, cosmo]", "cosmo", "study.yaml:4: methods: 'cosmo' is not a list\n    write [cosmo]"),
        ("label_rate: [0.1, 0.2]", "label_rate: []", "study.yaml:5: sweep.label_rate: the sweep is empty"),
        (
            "label_rate: [0.1, 0.2]",
            "label_rate: 0.1",
            "study.yaml:5: sweep.label_rate: a sweep must be a list of values",
        ),
        ("label_rate: [0.1, 0.2]", "label_rate: [0.1, 0.1]", "study.yaml:5: sweep.label_rate: a value is listed twice"),
        (
            "label_rate: [0.1, 0.2]",
            "label_rate: [0.1, 2]",
            "study.yaml:5 (value 2): label_rate: 2 should be less than or equal to 1",
        ),
        (
            "label_rate: [0.1, 0.2]",
            "labelrate: [0.1]",
            "study.yaml:5: sweep.labelrate: there is no option 'labelrate'\n    did you mean",
        ),
        (
            "label_rate: [0.1, 0.2]",
            "cosmo.lamda: [0.1]",
            "study.yaml:5: sweep.cosmo.lamda: cosmo has no option 'lamda'\n    did you mean",
        ),
        (
            "label_rate: [0.1, 0.2]",
            "cosmo.lambda: [0.1, 3]",
            "study.yaml:5 (value 2): cosmo.lambda: 3 should be less than or equal to 1",
        ),
        (
            "label_rate: [0.1, 0.2]",
            "stage1.augmentations.noise: [0.2], stage1.augmentations: [null, {noise: 0.1}]",
            "study.yaml:5: sweep.stage1.augmentations.noise: this option is also swept, as stage1.augmentations",
        ),
        (
            "label_rate: [0.1, 0.2]",
            "cosmo.stage2.lr: [0.1, 0.2], stage2.lr: [0.01]",
            "study.yaml:5: sweep.stage2.lr: this option is also swept, as cosmo.stage2.lr\n    sweep one of them",
        ),
        ("label_rate: [0.1, 0.2]", "seeds: [3]", "study.yaml:5: sweep.seeds: seeds belongs to the study as a whole"),
        ("label_rate: [0.1, 0.2]", "stage1: [3]", "study.yaml:5: sweep.stage1: 'stage1' is a group of options"),
        (
            "label_rate: [0.1, 0.2]",
            "stage1.epoch: [3]",
            "sweep.stage1.epoch: there is no option 'epoch' in stage1\n    did you mean 'epochs'?",
        ),
        ("label_rate: [0.1, 0.2]", "stage1.epochs.x: [3]", "'stage1.epochs' has no options of its own"),
        ("label_rate: [0.1, 0.2]", "cosmo: [3]", "'cosmo' is a plug-in, not an option"),
        (
            "seeds: 2",
            "edge:\n  devices:\n  - cpu\n  - cpu",
            "study.yaml:9: edge.devices.1: 'cpu' is listed twice",
        ),
        (
            "seeds: 2",
            "edge: {devices: [cpu], label_rates: [0.2, 0.3]}",
            "study.yaml:6: edge.label_rates.1: the study has no label rate 0.3\n    did you mean",
        ),
        (
            "sweep: {label_rate: [0.1, 0.2]}",
            "labels: 12\nedge: {devices: [cpu], label_rates: [0.05]}",
            "study.yaml:6: edge.label_rates: selects trials by label_rate, but those of fantasy-device have labels",
        ),
        ("seeds: 2", "edge: {devices: [cpu], label_rates: []}", "study.yaml:6: edge.label_rates: [] tuple should have"),
        ("{epochs: 7}", "{epochs: 7.5}", "study.yaml:7: stage2.epochs: 7.5 should be a valid integer"),
        ("{epochs: 7}", "{epochs: many}", "study.yaml:7: stage2.epochs: 'many' should be a valid integer"),
        ("{epochs: 7}", "{epochs: true}", "study.yaml:7: stage2.epochs: True should be a valid integer"),
        ("{epochs: 7}", "{epochs: -1}", "study.yaml:7: stage2.epochs: -1 should be greater than or equal to 0"),
        ("{epochs: 7}", "{lr: .inf}", "study.yaml:7: stage2.lr: inf should be a finite number"),
        (
            "{epochs: 7}",
            "{epoch: 7}",
            "study.yaml:7: stage2.epoch: there is no such option\n    did you mean 'epochs'?",
        ),
        ("{epochs: 7}", "7", "study.yaml:7: stage2: 7 is not a mapping"),
        ("{lambda: 0.5}", "{lambda: 2}", "study.yaml:9: cosmo.lambda: 2 should be less than or equal to 1"),
        (
            "{lambda: 0.5}",
            "{lamda: 1}",
            "study.yaml:9: cosmo.lamda: there is no such option\n    did you mean 'lambda'?",
        ),
        ("{lambda: 0.5}", "{stage2: {lr: 0}}", "study.yaml:9: stage2.lr: 0 should be greater than 0"),
        (
            "{lambda: 0.5}",
            "{reading: papers}",
            "study.yaml:9: cosmo.reading: there is no reading 'papers'\n    did you mean 'paper'?",
        ),
        (
            "  cosmo: {",
            "  cosmos: {",
            "study.yaml:9: options.cosmos: there is no method or data set 'cosmos'\n    did you mean 'cosmo'?",
        ),
        (
            "  cosmo: {lambda: 0.5}",
            "  deepsense: {stage1: {epochs: 3}}",
            "study.yaml:9: deepsense.stage1.epochs: does not apply, because the method has no stage 1",
        ),
        ("  cosmo: {lambda: 0.5}", "  cmc: {tau: 1}", "study.yaml:9: cmc.tau: there is no such option"),
        (
            "  cosmo: {lambda: 0.5}",
            "  fantasy-device: {serie: 1}",
            "fantasy-device.serie: there is no such option\n    did you mean 'series'?",
        ),
    ],
)
def test_a_fault_is_one_clear_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert len(found) == 1, found
    assert message in found[0]


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("{epochs: 7}", "{epochs: x, lrr: 1}").replace("0.5", "5").replace("0.2]", "7]")
    found = problems(tmp_path, text)
    assert [fault.split(":")[1].split(" ")[0] for fault in found] == ["5", "7", "7", "9"]


def test_a_plug_in_that_there_is_not_hides_no_other_fault(tmp_path: Path) -> None:
    text = (
        GOOD.replace("  - fantasy-device", "  - fantasy-devise\n  - fantasy-device")
        .replace("deepsense", "deepsens")
        .replace("0.5", "5")
    )
    found = problems(tmp_path, text + "edge: {devices: [cpu], meter: ina322}\n")
    assert [
        part in fault for part, fault in zip(("devise", "deepsens'", "lambda: 5", "no meter"), found, strict=True)
    ] == [True] * 4


def test_a_fault_of_the_structure_hides_no_other_fault(tmp_path: Path) -> None:
    text = """\
study: seven faults
datasets: [mine, {name: fantasy-device, sweep: {label_rate: []}}]
methods: [cosmoo, 3]
seeds: 0
stage1: {epochs: many}
options: {cosmo: {lambda: 5}}
edge: {devices: [{name: a b}], seeds: [9]}
reference: cosmo
question: 3
"""
    found = problems(tmp_path, text, "seeds", "stage2.lr=-1")
    expected = [
        "--set seeds: this is not of the form",
        "--set stage2.lr=-1: stage2.lr: -1 should be greater",
        "study.yaml:1: study: 'seven faults' does not match ^[A-Za-z0-9][A-Za-z0-9_-]{0,80}$\n    for example seven_faults",
        "study.yaml:2: datasets.0: there is no data set 'mine'",
        "study.yaml:2: datasets.1.sweep.label_rate: the sweep is empty",
        "study.yaml:3: methods.1: 3 should be a valid string",
        "study.yaml:4: seeds: 0 should be",
        "study.yaml:5: stage1.epochs: 'many' should be",
        "study.yaml:6: cosmo.lambda: 5 should be",
        "study.yaml:7: edge.devices.0.name: 'a b' does not match",
        "study.yaml:9: question: 3 should be",
    ]
    assert [part in fault for part, fault in zip(expected, found, strict=True)] == [True] * len(expected), found


@pytest.mark.parametrize("missing", ["datasets", "methods"])
def test_without_data_sets_or_methods_the_settings_are_checked(tmp_path: Path, missing: str) -> None:
    lines = ["study: a", "datasets: [fantasy-devise]", "methods: [cosmoo]", "stage1: {epochs: many}"]
    found = problems(tmp_path, "\n".join(line for line in lines if not line.startswith(missing)))
    assert any(f"{missing}: this is required" in fault for fault in found)
    assert any("stage1.epochs: 'many' should be" in fault for fault in found)
    assert len(found) == 3


def test_a_data_set_wins_over_the_study_and_a_method_over_both_stages(tmp_path: Path) -> None:
    text = GOOD.replace(
        "  - fantasy-device", "  - {name: fantasy-device, stage2: {lr: 0.5}, sweep: {label_rate: [0.3]}}"
    )
    text = text.replace("{lambda: 0.5}", "{stage2: {epochs: 9}}")
    study = read(tmp_path, text)
    entry = study.file.datasets[0]
    assert study.file.sweep_of(entry) == {"label_rate": [0.3]}
    cosmo, deepsense = (study.settings(entry, method, {}).general.stage2 for method in ("cosmo", "deepsense"))
    assert (cosmo.epochs, deepsense.epochs, cosmo.lr) == (9, 7, 0.5)


def test_a_reading_changes_what_is_left_out_only(tmp_path: Path) -> None:
    text = GOOD.replace("{lambda: 0.5}", "{reading: authors-code}").replace("stage2: {epochs: 7}", "stage2: {lr: 0.5}")
    study = read(tmp_path, text)
    settings = study.settings(study.file.datasets[0], "cosmo", {})
    assert settings.general.stage2.lr == 0.5
    plain = read(tmp_path, text.replace("stage2: {lr: 0.5}", "stage2: {}"))
    assert plain.settings(plain.file.datasets[0], "cosmo", {}).general.stage2.lr == 0.001


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "study: !!python/object/apply:os.system ['true']\n"])
def test_what_is_no_study_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no study .*nothing\.yaml"):
        read_study(tmp_path / "nothing.yaml")


NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=4)


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8))
def test_flatten_and_nest_are_inverse(tree: object) -> None:
    if isinstance(tree, dict):
        layer = flatten(tree, (), lambda path: ".".join(path))
        assert nest(layer) == tree
        assert all(value == Value(value.value, ".".join(path)) for path, value in layer.items())


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    from harness.yaml.text import load

    try:
        message = str(load(text, "study.yaml") and "study.yaml")
    except StudyError as error:
        message = str(error)
    assert message.startswith("study.yaml")


@pytest.mark.parametrize(
    "study", sorted((Path(__file__).parents[2] / "studies").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_studies_that_come_with_the_package_are_right(study: Path) -> None:
    assert read_study(study).file.study == study.stem


def test_an_ablation_is_a_preset_laid_over_the_reading(tmp_path: Path) -> None:
    text = GOOD.replace("label_rate: [0.1, 0.2]", "cosmo.without: [nothing, attention, contrastive]").replace(
        "{lambda: 0.5}", "{reading: authors-code}"
    )
    study = read(tmp_path, text)
    entry = study.file.datasets[0]
    without = {
        name: study.settings(entry, "cosmo", {"cosmo.without": name})
        for name in ("nothing", "attention", "contrastive")
    }
    attention = {name: settings.stage2_options.to_json()["attention"] for name, settings in without.items()}
    assert attention == {"nothing": "authors-code", "attention": "none", "contrastive": "authors-code"}
    assert (
        without["nothing"].stage1_options
        == without["attention"].stage1_options
        != without["contrastive"].stage1_options
    )
    (fault,) = problems(tmp_path, text.replace("nothing, attention,", "nothing, atention,"))
    assert (
        "study.yaml:5 (value 2): cosmo.without: there is no without 'atention'\n    did you mean 'attention'?" in fault
    )


def test_the_reference_is_one_of_the_methods(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD + "reference: deepsense\n")
    assert study.file.reference == "deepsense"
    assert make_plan(study, None).study_json()["reference"] == "deepsense"
    assert problems(tmp_path, GOOD + "reference: deepsens\n") == [
        "study.yaml:10: reference: 'deepsens' is not one of the study's methods\n    did you mean 'deepsense'?"
    ]
    assert "is not one of" in problems(tmp_path, GOOD, "reference=cmc")[0]


def test_the_reference_may_be_a_variant(tmp_path: Path) -> None:
    text = GOOD.replace("deepsense", "single-modal") + "reference: single-modal"
    study = read(tmp_path, f"{text}:sensor_1\n")
    assert sorted(make_plan(study, None).jobs) == sorted(
        make_plan(read(tmp_path, GOOD.replace("deepsense", "single-modal")), None).jobs
    )
    for wrong in (text, f"{text}:sensor_9"):
        with pytest.raises(
            StudyError, match=r"study.yaml:10: reference: .* is not a method or a variant of this study"
        ) as caught:
            make_plan(read(tmp_path, wrong + "\n"), None)
        assert "did you mean 'single-modal:sensor_" in str(caught.value)


@pytest.mark.parametrize(
    ("study", "point", "expected"),
    [
        ({}, {}, {"failure": 0.3, "noise": 0.3, "down_sampling": 4}),  # the reading's
        ({}, {"stage1.augmentations": None}, None),
        ({}, {"stage1.augmentations.noise": 0.1}, {"failure": 0.3, "noise": 0.1, "down_sampling": 4}),
        ({"augmentations": None}, {}, None),
        ({"augmentations": None}, {"stage1.augmentations": {"noise": 0.1, "down_sampling": 2}},
         {"failure": 0.3, "noise": 0.1, "down_sampling": 2}),
        ({"augmentations": {"down_sampling": 2}}, {"stage1.augmentations": {}},
         {"failure": 0.3, "noise": 0.3, "down_sampling": 2}),
    ],
)  # fmt: skip
def test_a_group_that_may_be_null_is_merged_from_all_layers(
    tmp_path: Path, study: dict[str, Any], point: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    text = f"study: a\ndatasets: [fantasy-device]\nmethods: [cosmo]\nstage1: {json.dumps(study)}\n"
    made = parse_study(text + "options: {cosmo: {reading: recommended}}\n", tmp_path / "study.yaml")
    settings = made.settings(made.file.datasets[0], "cosmo", point)
    assert settings.general.stage1.content().get("augmentations") == expected


def test_an_empty_group_of_augmentations_has_its_defaults(tmp_path: Path) -> None:
    text = "study: a\ndatasets: [fantasy-device]\nmethods: [cpc, ntxent]\nstage1: {augmentations: {}}\n"
    made = parse_study(text, tmp_path / "study.yaml")
    for method in made.file.methods:
        assert made.settings(made.file.datasets[0], method, {}).general.stage1.augmentations == Augmentations()
