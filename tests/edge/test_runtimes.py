"""Runtimes: those that this machine has predict alike, and the others say why they are not available."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import planned, profiles, run
from torch import Tensor, nn

from harness.edge import onnx_runtimes
from harness.edge.onnx_runtimes import Unavailable, bound, converted, export
from harness.edge.runtimes import build, has_precision
from harness.method import Batch, Classifier


class Small(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(self.gru(batch["acc"])[0][:, -1])


BATCH = {"acc": torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(0))}


@pytest.mark.parametrize("traced", [False, True])
def test_onnx_runtime_gives_the_same_logits(traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    if traced:  # as with the PyTorch of JetPack 6
        monkeypatch.setattr(onnx_runtimes, "_export_by_program", lambda *_: 1 / 0)
    model = Small()
    logits = build("onnx", "fp32", model, BATCH, 1)(BATCH)
    assert torch.allclose(logits, build("eager", "fp32", model, BATCH, 1)(BATCH), atol=1e-5)
    of_any_size = runtime.InferenceSession(export(model, BATCH, any_size=True).SerializeToString())
    (found,) = of_any_size.run(None, {"acc": BATCH["acc"][:3].numpy()})
    assert torch.allclose(torch.from_numpy(found), logits[:3], atol=1e-5)


@pytest.mark.slow
def test_compiled_gives_the_same_logits() -> None:
    model = Convolutional().eval()  # a recurrent network takes long to compile
    try:
        infer = build("compile", "fp32", model, BATCH, 1)
    except Unavailable as error:
        pytest.skip(str(error))
    assert torch.allclose(infer(BATCH), build("eager", "fp32", model, BATCH, 1)(BATCH), atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_is_run_only_where_the_processor_has_it(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(text: str) -> None:
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)

    flags("flags : sse avx2\n")
    with pytest.raises(Unavailable, match=f"no {precision} arithmetic"):
        build("eager", precision, Small(), BATCH, 1)
    flags("flags : avx512_bf16 avx512_fp16\n")
    assert has_precision(precision, "cpu")
    assert build("eager", precision, Small(), BATCH, 1)(BATCH).shape == (5, 4)


@pytest.mark.parametrize(
    ("runtime", "precision", "said"),
    [
        ("onnx", "bf16", "not in bf16"),
        ("onnx", "fp16", "no fp16 arithmetic on a processor"),
        ("onnx", "int8", "needs calibration samples"),
        ("tensorrt", "fp16", "tensorrt needs an NVIDIA GPU"),
        ("eager", "int8", "by onnx and tensorrt only"),
        ("compile", "int8", "by onnx and tensorrt only"),
    ],
)
def test_what_cannot_be_run_here_says_why(runtime: str, precision: str, said: str) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    with pytest.raises(Unavailable, match=said):
        build(runtime, precision, Small(), BATCH, 1)


def test_onnx_works_on_the_memory_of_the_tensors() -> None:
    """The session is bound to the input's memory: there is no copy that would be timed."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    infer = build("onnx", "fp32", Small(), BATCH, 1)
    first, again = infer(BATCH), infer(BATCH)
    assert torch.equal(first, again)
    assert first.data_ptr() != again.data_ptr()
    strided = {"acc": BATCH["acc"].transpose(0, 1).contiguous().transpose(0, 1)}  # not contiguous
    assert torch.equal(infer(strided), first)


class Convolutional(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.head = nn.Conv1d(3, 16, 5), nn.Linear(16, 4)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(torch.relu(self.convolution(batch["acc"].transpose(1, 2))).mean(2))


def test_int8_is_quantised_with_the_ranges_of_the_calibration_samples() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    torch.manual_seed(0)
    model = Convolutional().eval()
    exact = model(BATCH).detach()
    fitting = build("onnx", "int8", model, BATCH, 1, [BATCH])(BATCH)
    error = float((fitting - exact).abs().max())
    assert 0 < error < 0.05 * float(exact.abs().max())  # quantised, and close
    clipped = build("onnx", "int8", model, BATCH, 1, [{"acc": BATCH["acc"] * 0.05}])(BATCH)
    assert float((clipped - exact).abs().max()) > 3 * error  # calibrated on too small a range


def test_a_conversion_to_fp16_gives_nearly_the_same_logits() -> None:
    """ONNX Runtime computes fp16 only on a GPU, but its processor runs the converted model with casts."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    model = Convolutional().eval()
    session = onnxruntime.InferenceSession(
        converted(export(model, BATCH), "fp16", ()), providers=["CPUExecutionProvider"]
    )
    logits, exact = bound(session, torch.device("cpu"))(BATCH), model(BATCH).detach()
    assert 0 < float((logits - exact).abs().max()) < 0.01


def test_a_provider_that_falls_back_to_the_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider"])
    monkeypatch.setitem(onnx_runtimes.PROVIDERS, ("onnx", "cpu"), "TensorrtExecutionProvider")
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *a, providers: real(*a, providers=["CPUExecutionProvider"])
    )
    with pytest.raises(Unavailable, match="TensorrtExecutionProvider could not be loaded"):
        build("onnx", "fp32", Small(), BATCH, 1)


def test_an_export_that_fails_says_why() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

    class Odd(Small):
        def forward(self, batch: Batch) -> Tensor:
            raise RuntimeError("this can't be traced")

    with pytest.raises(Unavailable, match="export to ONNX"):
        build("onnx", "fp32", Odd(), BATCH, 1)


@pytest.mark.slow
def test_every_runtime_and_precision_of_a_study_is_timed_or_has_a_reason(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    plan, ledger = planned(tmp_path, "[cpu]\n  runtimes: [onnx, tensorrt]\n  precisions: [fp32, fp16, int8]")
    run(plan, ledger, "anywhere", "here")
    (job,) = profiles(plan)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "done", record
    rows = {(row["runtime"], row["precision"], row["batch_size"]): row for row in record["result"]["inference"]}
    assert len(rows) == 2 * 3 * 2
    for size in (1, 8):
        assert rows["onnx", "fp32", size]["mean_seconds"] > 0
        assert rows["onnx", "fp32", size]["agreement"] == 1
        quantised = rows["onnx", "int8", size]  # timed only if it predicts what fp32 predicts
        assert ("mean_seconds" in quantised) == (quantised["agreement"] >= 0.99)
        assert "no fp16 arithmetic" in rows["onnx", "fp16", size]["absent"]["latency"]
        assert "needs an NVIDIA GPU" in rows["tensorrt", "fp32", size]["absent"]["latency"]
