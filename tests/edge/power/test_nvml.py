"""The nvml meter: the real nvidia-ml-py on a stand-in library, whose counters move, stop, reset or are NotSupported."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.edge.power.energy import EnergyWindow, energy_window
from harness.edge.power.recorder import Recorder, choose, probe
from harness.edge.state_recorder import StateRecorder

pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")

Gpus = Callable[..., None]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build the stand-in with")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("nvml_standin.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)], check=True)
    return folder


@pytest.fixture
def gpus(library: Path, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """(kinds of GPUs, CUDA_VISIBLE_DEVICES) → sets what the sampler's process will see."""

    def see(kinds: str, visible: str | None = None) -> None:
        monkeypatch.setenv("LD_LIBRARY_PATH", f"{library}{os.pathsep}{os.environ.get('LD_LIBRARY_PATH', '')}")
        monkeypatch.setenv("NVML_STANDIN", kinds)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return see


def measured(meter: str = "nvml", seconds: float = 2.0) -> EnergyWindow:
    with Recorder(meter, 100) as recorder:
        start = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        return energy_window(recorder.trace(end), start, end)


def test_a_counter_and_an_integrated_power_add_up(gpus: Gpus) -> None:
    gpus("counter,power")
    window = measured("nvml:0,1")
    assert window.kinds == {"gpu-0": "counter", "gpu-1": "power"}
    assert window.channels["gpu-0"].energy_joules == pytest.approx(
        30 * window.seconds, rel=0.08
    )  # its steps are of 100 ms
    assert window.channels["gpu-1"].energy_joules == pytest.approx(40 * window.seconds, rel=0.01)
    assert window.total.energy_joules == pytest.approx(70 * window.seconds, rel=0.05)
    assert window.covers == "GPU 0 alone + GPU 1 alone"


@pytest.mark.parametrize("kind", ["still", "zero"])
def test_a_counter_that_stands_still_is_no_figure(gpus: Gpus, kind: str) -> None:
    gpus(kind)
    window = measured()
    assert window.total.energy_joules is None
    assert "stood still" in str(window.total.reason)


def test_a_counter_that_begins_anew_is_no_figure(gpus: Gpus) -> None:
    gpus("reset")
    window = measured()
    assert window.total.energy_joules is None
    assert "was reset" in str(window.total.reason)


def test_lost_permission_is_reported(gpus: Gpus) -> None:
    gpus("lost")
    window = measured()
    assert "permission" in window.errors[0]
    assert window.partial is not None
    assert window.partial.energy_joules == pytest.approx(30, rel=0.3)


def test_not_supported_as_on_a_jetson_is_a_reason(gpus: Gpus) -> None:
    gpus("none")
    assert "NotSupported" in str(probe("nvml"))
    assert choose("auto", "cuda")[0] is None


@pytest.mark.parametrize(
    ("visible", "argument", "seen"),
    [
        (None, "", ["gpu-0"]),
        ("2,0", "", ["gpu-2"]),
        ("7,0", "0", ["gpu-0"]),
        ("1,7,0", "", ["gpu-1"]),
        (None, "1,0,1", ["gpu-1", "gpu-0"]),
        ("GPU-177", "", ["gpu-1"]),
        ("1", "0,2", ["gpu-0", "gpu-2"]),
    ],
)
def test_the_gpu_of_the_job_or_those_that_are_asked_for(
    gpus: Gpus, visible: str | None, argument: str, seen: list[str]
) -> None:
    gpus("counter,power,counter", visible)
    with Recorder(f"nvml:{argument}" if argument else "nvml") as recorder:
        assert [channel.name for channel in recorder.trace().channels] == seen


def test_a_job_on_one_of_eight_gpus_is_charged_with_one(gpus: Gpus) -> None:
    gpus(",".join(["counter"] * 8))
    window = measured()
    assert window.total.energy_joules == pytest.approx(30 * window.seconds, rel=0.08)
    assert window.covers == "GPU 0 alone"
    assert any("8 GPUs can be used; only GPU 0" in flag for flag in window.flags)


def test_the_gpu_is_the_one_that_pytorch_uses(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA may number the GPUs differently from NVML, so the UUID decides."""
    gpus("counter,power,counter")
    uuids = {0: "277-standin", 1: "077-standin"}
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuids[torch.device(device).index or 0])
    )
    assert choose("auto", "cuda")[0] == "nvml:GPU-277-standin"
    name, _ = choose("nvml", "cuda:1")
    assert name == "nvml:GPU-077-standin"
    with Recorder(name) as recorder:
        assert [channel.name for channel in recorder.trace().channels] == ["gpu-0"]
    assert choose("nvml:1", "cuda")[0] == "nvml:1"  # the user's own choice stands


def test_a_gpu_that_is_not_measured_does_not_lose_the_others(gpus: Gpus) -> None:
    gpus("counter,gone,counter")
    with Recorder("nvml:0,2") as recorder:
        trace = recorder.trace()
    assert [channel.name for channel in trace.channels] == ["gpu-0", "gpu-2"]
    assert any("GPU 1" in note for note in trace.notes)


@pytest.mark.parametrize(
    ("kinds", "argument", "said"),
    [
        ("counter,counter", "0,7", "NVML finds 0 GPUs for '7'"),
        ("counter,counter", "GPU", "NVML finds 2 GPUs for 'GPU'"),
        ("counter,none", "0,1", "NotSupported for energy and power of GPU 1"),
        ("counter,gone", "0,1", "GPU 1: NVML: GPU is lost"),
    ],
)
def test_there_is_no_total_without_all_that_are_named(gpus: Gpus, kinds: str, argument: str, said: str) -> None:
    gpus(kinds)
    assert said in str(probe(f"nvml:{argument}"))


@pytest.mark.parametrize("visible", [None, "0", "MIG-5c89852c-d268-c3f3-1b07-005d5ae1dc3f"])
def test_an_instance_of_mig_has_no_energy(gpus: Gpus, visible: str | None) -> None:
    gpus("mig", visible)
    assert "NVML has no energy or power of a GPU instance" in str(probe("nvml"))


def test_no_gpu_left_is_a_reason(gpus: Gpus) -> None:
    gpus("counter", "-1")
    assert "no GPU among -1" in str(probe("nvml"))


def test_a_gpus_meter_is_not_chosen_for_work_on_the_processor(gpus: Gpus) -> None:
    gpus("counter")
    assert choose("auto", "cuda")[0] == "nvml"
    assert choose("auto", "cpu")[0] is None


def test_the_state_of_the_gpu_is_sampled(gpus: Gpus) -> None:
    gpus("counter,counter", "1")
    with StateRecorder("") as recorder:
        end = time.monotonic() + 20
        while not recorder.states() and time.monotonic() < end:
            time.sleep(0.1)
        found = recorder.summary(0, end)
    assert found is not None
    assert found["clocks_hertz"]["gpu-1"]["max"] == 1410e6
    assert found["temperatures_celsius"]["gpu-1"]["mean"] == 61
    assert "gpu-1: temperature (driver)" in found["throttling"]
