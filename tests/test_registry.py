import importlib.metadata

import pytest

from harness import registry
from harness.errors import InputError


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in registry.BUILT_IN for name in registry.BUILT_IN[kind]]
)
def test_every_built_in_plug_in_is_there_under_its_own_name(kind: str, name: str) -> None:
    plugin = registry.get(kind, name)
    assert plugin.name == name
    assert plugin.title
    assert plugin.version


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(registry.UnknownName, match="did you mean 'deepsense'"):
        registry.get("methods", "deepsens")


def test_an_entry_point_adds_but_never_replaces(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    group = "cosmo_harness.methods"
    points = [
        importlib.metadata.EntryPoint("mine", "harness.errors:Problem", group),
        importlib.metadata.EntryPoint("cosmo", "harness.errors:Problem", group),
        importlib.metadata.EntryPoint("broken", "no_such_module:Thing", group),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.paths.cache_clear()
    request.addfinalizer(registry.paths.cache_clear)
    assert registry.get("methods", "mine").__name__ == "Problem"
    assert registry.get("methods", "cosmo").__name__ == "Cosmo"
    with pytest.raises(InputError, match=r"'broken' \(no_such_module:Thing\) can't be loaded"):
        registry.get("methods", "broken")
