from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.nn.by_modality import ByModality

NAMES = st.sampled_from(["values", "train", "training", "left.acc", "left", "%", "%76alues"]) | st.text(
    "ab.%-_1", min_size=1
)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_any_names_are_keys_and_read_back_from_a_state_dict(names: list[str]) -> None:
    modules = {name: nn.Linear(1, 1) for name in names}
    ours, other = ByModality(modules), ByModality({name: nn.Linear(1, 1) for name in names})
    assert list(ours) == list(ours.keys()) == names
    assert list(ours.items()) == list(modules.items())
    assert list(ours.values()) == [ours[name] for name in names]
    assert all(name in ours for name in names)
    other.load_state_dict(ours.state_dict())
    assert all(torch.equal(other[name].weight, modules[name].weight) for name in names)
    assert list(dict(ours.named_children()).values()) == list(modules.values())


def test_parameters_keep_their_names() -> None:
    names = ["accelerometer", "left-acc", "sensor_1", "größe"]
    assert [*ByModality({name: nn.Linear(1, 1, bias=False) for name in names}).state_dict()] == [
        f"{name}.weight" for name in names
    ]
