"""Runtimes: those that this machine has predict alike, and the others say why they are not available."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.edge.runtimes import Unavailable, build, has_precision
from harness.method import Batch, Classifier


class Small(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(self.gru(batch["acc"])[0][:, -1])


BATCH = {"acc": torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(0))}


def test_onnx_runtime_gives_the_same_logits() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    model = Small()
    logits = build("onnx", "fp32", model, BATCH, 1)(BATCH)
    assert torch.allclose(logits, build("eager", "fp32", model, BATCH, 1)(BATCH), atol=1e-5)


@pytest.mark.slow
def test_compiled_gives_the_same_logits() -> None:
    model = Small()
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


def test_onnx_is_exported_in_fp32_only() -> None:
    with pytest.raises(Unavailable, match="fp32 only"):
        build("onnx", "bf16", Small(), BATCH, 1)


def test_an_export_that_fails_says_why() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

    class Odd(Small):
        def forward(self, batch: Batch) -> Tensor:
            raise RuntimeError("this can't be traced")

    with pytest.raises(Unavailable, match="export to ONNX"):
        build("onnx", "fp32", Odd(), BATCH, 1)
