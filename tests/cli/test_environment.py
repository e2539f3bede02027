"""`harness env`: what a bug report needs, also where something is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
import pytest
import torch

import harness
from harness.provenance import cpu_flags, describe_environment, processor, provenance
from tests.cli.in_process import harness as command


def test_text_and_json_say_the_same() -> None:
    found, text = json.loads(command("env", "--format", "json").stdout), command("env").stdout
    assert found["harness"] == harness.__version__
    assert found["packages"]["numpy"] == numpy.__version__
    assert torch.__version__.startswith(found["packages"]["torch"].partition("+")[0])
    assert "pytest" not in found["packages"]  # a developer's tool
    assert found["cores"] >= found["usable_cores"] >= 1
    for value in (found["python"], found["platform"], found["processor"], found["git"].get("commit", "none")):
        assert value in text
    for name in found["packages"]:
        assert f"\n{name} " in text


def test_flags_are_read_on_x86_and_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    def cpuinfo(text: str) -> None:
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)

    cpuinfo("model name\t: A Processor\nflags\t\t: sse avx2 avx512f amx_tile amx_bf16\n")
    assert processor() == "A Processor"
    assert describe_environment()["cpu_flags"] == ["avx2", "avx512f", "amx_tile", "amx_bf16"]
    cpuinfo("Features\t: fp asimd bf16\n")
    assert {"asimd", "bf16"} <= cpu_flags()


def test_a_broken_torch_does_not_hide_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # `import torch` raises ImportError
    found = describe_environment()
    assert found["gpus"][0].startswith("unknown: ModuleNotFoundError")
    assert found["python"]


@pytest.mark.parametrize("how", ["absent", "without its libraries"])
def test_a_package_that_cannot_be_imported_is_one_message(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudnn.so.9: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    if how == "absent":
        monkeypatch.setitem(sys.modules, "torch", None)
    else:
        monkeypatch.delitem(sys.modules, "torch")
    done = command("edge", "serve")
    assert done.returncode == 2
    assert done.stderr.startswith("error: torch cannot be imported on this machine (")
    assert ("ModuleNotFoundError: " if how == "absent" else "OSError: libcudnn.so.9: ") in done.stderr
    assert "on a Jetson NVIDIA's build" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_record_of_a_plan_is_unchanged() -> None:
    assert set(provenance()) == {"git", "packages", "python", "platform", "cpus"}
