"""Modules by the name of their modality."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping

from torch import nn
from typing_extensions import override

_RESERVED = nn.ModuleDict()


class ByModality(nn.ModuleDict):
    """An nn.ModuleDict whose keys may be any text, as the names of modalities are.

    nn.ModuleDict refuses keys with a dot and keys that are names of its own attributes, such as ``values``. Here these
    keys are percent-encoded in the names of parameters; all others are used as they are.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        self._encoded = {name: _encoded(name) for name in modules}
        super().__init__({self._encoded[name]: module for name, module in modules.items()})

    @override
    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(self._encoded[key])

    @override
    def __contains__(self, key: str) -> bool:
        return key in self._encoded

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    @override
    def keys(self) -> KeysView[str]:
        return self._encoded.keys()

    @override
    def items(self) -> ItemsView[str, nn.Module]:
        return {name: self[name] for name in self}.items()


def _encoded(name: str) -> str:
    if hasattr(_RESERVED, name):
        return f"%{ord(name[0]):02X}{name[1:]}"
    return name.replace("%", "%25").replace(".", "%2E")
