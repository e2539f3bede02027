import pytest
import torch
from torch import nn

from harness.training.cost import inference_flops


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 8, (3, 2))
        self.gru = nn.GRU(10, 12, num_layers=2, batch_first=True)
        self.linear = nn.Linear(12, 4)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        maps = self.convolution(batch["a"].unsqueeze(1))  # (n, 8, 5, 2)
        return self.linear(self.gru(maps.flatten(2))[0][:, -1])


@pytest.mark.parametrize("n", [1, 3])
def test_convolutions_recurrent_and_linear_layers_are_counted(n: int) -> None:
    convolution = 8 * 3 * 2 * (5 * 2)
    gru = 8 * 3 * 12 * (10 + 12 + 12 + 12)  # 8 steps, 3 gates, 2 layers
    assert inference_flops(Model(), {"a": torch.zeros(n, 7, 3)}) == n * 2 * (convolution + gru + 12 * 4)


def test_the_count_draws_nothing_and_changes_no_statistics() -> None:
    model = nn.ModuleDict({"norm": nn.BatchNorm1d(3)})
    model.forward = lambda batch: model["norm"](batch["a"])  # type: ignore[method-assign]
    before = torch.get_rng_state()
    assert inference_flops(model, {"a": torch.ones(1, 3)}) == 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(model["norm"].running_mean, torch.zeros(3))  # type: ignore[arg-type]
