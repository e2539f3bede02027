"""The names that the shell completes: of plug-ins, data sets and studies."""

from __future__ import annotations

from collections.abc import Iterable


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def method_names(incomplete: str) -> list[str]:
    """The methods whose names begin like this."""
    from harness import registry

    return _beginning(incomplete, registry.paths("methods"))


def dataset_names(incomplete: str) -> list[str]:
    """The data sets whose names begin like this."""
    from harness import registry

    return _beginning(incomplete, registry.paths("datasets"))


def described_names(incomplete: str) -> list[str]:
    """What `harness describe` can explain and whose name begins like this."""
    from harness.show.listing import described

    return _beginning(incomplete, sorted(described()))
