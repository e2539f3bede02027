"""`harness list --format json`: what the text shows, as data."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from harness import registry
from harness.errors import InputError
from harness.show.listing import listing
from harness.study import bundled_studies


def shown(kind: str, name: str | None = None) -> Any:
    """The listing after a trip through JSON."""
    return json.loads(json.dumps(listing(kind, name), default=asdict, allow_nan=False))


@pytest.mark.parametrize("kind", ["methods", "datasets", "meters"])
def test_every_plug_in_is_listed(kind: str) -> None:
    found = {one["name"]: one for one in shown(kind)}
    assert set(registry.BUILT_IN[kind]) <= set(found)
    for name, target in registry.BUILT_IN[kind].items():
        one = found[name]
        assert one["built_in"]
        assert one["description"]
        assert target.startswith(one["module"] + ":")
        assert set(one) == {"name", "module", "built_in", "description", "error"}


def test_a_plug_in_that_cannot_be_loaded_is_listed_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "paths", lambda kind: {"other": "no.such.package:Other"})
    (one,) = shown("methods")
    assert one["module"] == "no.such.package"
    assert not one["built_in"]
    assert "can't be loaded" in one["error"]


def test_a_method_has_its_options_by_stage_and_its_presets() -> None:
    found = shown("methods", "cosmo")
    assert found["title"] == "Cosmo"
    options = {option["name"]: option for option in found["stage2"]}
    assert options["lambda"]["values"] == "number in [0, 1]"
    assert options["lambda"]["default"] == 0.8
    assert options["lambda"]["meaning"]
    assert "positives" in {option["name"] for option in found["stage1"]}
    assert found["presets"]["reading"]["paper"] == {}
    assert found["presets"]["without"]["iterative"] == {"iterative": False}
    assert shown("methods", "deepsense")["stage1"] == []


def test_a_data_set_has_its_options() -> None:
    assert "stride" in {option["name"] for option in shown("datasets", "usc-had")["options"]}


def test_a_meter_says_why_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.edge.power.recorder.probe", {"rapl": None, "nvml": "no driver"}.get)
    assert shown("meters", "rapl")["error"] is None
    assert shown("meters", "nvml")["error"] == "no driver"


def test_a_class_without_a_docstring_has_that_of_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Undocumented(registry.get("methods", "cosmo")):  # type: ignore[misc]
        __module__ = "baselines.cmc"

    monkeypatch.setattr(registry, "get", lambda kind, name: Undocumented)
    assert shown("methods", "cosmo")["description"] == "CMC: the modalities of a sample are positives of each other."


def test_studies_are_listed_with_their_question_and_shown_whole() -> None:
    assert [one["name"] for one in shown("studies")] == [path.stem for path in bundled_studies()]
    assert all(one["question"] for one in shown("studies"))
    assert shown("studies", "quickstart")["study"] == "quickstart"


def test_settings_can_be_listed_by_group() -> None:
    assert {option["name"].partition(".")[0] for option in shown("settings", "stage2")} == {"stage2"}
    assert len(shown("settings")) > len(shown("settings", "stage2"))


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("methods", "cosmoo", "did you mean 'cosmo'"),
        ("studies", "quickstar", "did you mean 'quickstart'"),
        ("settings", "stage3", "did you mean 'stage2'"),
    ],
)
def test_an_unknown_name_is_an_error_with_a_hint(kind: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        listing(kind, name)
