"""The code that is sent to the nodes of a cluster: the package, and plug-ins with the metadata that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.execute.ship_code import code_to_ship


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed plug-in whose code is one module; returns the folder in which it is installed."""
    metadata = tmp_path / "my_plugins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugins\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[cosmo_harness.methods]\nmine = my_method:Mine\n")
    (metadata / "RECORD").write_text("my_method.py,,\nmy_plugins-1.0.dist-info/METADATA,,\n")
    (tmp_path / "my_method.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_package_and_its_plugins(plugin: Path) -> None:
    paths = [Path(path) for path in code_to_ship()]
    assert {"harness", "baselines", "reports"} <= {path.name for path in paths}
    assert {plugin / "my_method.py", plugin / "my_plugins-1.0.dist-info"} <= set(paths)
    assert all(path.exists() for path in paths)


def test_a_plugin_whose_code_is_not_found(plugin: Path) -> None:
    (plugin / "my_method.py").unlink()
    with pytest.raises(InputError, match=r"cannot send the plug-in mine \(my_method:Mine\)"):
        code_to_ship()
