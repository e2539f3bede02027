"""Benchmarks and ablations for multimodal sensing with few labels.

In Python, `run` runs a study and `open_run` opens the folder of a run; both return a `Run`.
"""

import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Run, RunComparison, open_run, run

__all__ = ["Run", "RunComparison", "__version__", "open_run", "run"]

# While a thread of torch waits for the others it spins, by default for so long that a single other process on the
# machine slows training down ten times. Has to be set before torch is imported; what the user has set is kept.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

try:
    __version__ = version("cosmo-harness")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """The Python interface, imported when it is first used (PEP 562): commands start without pandas."""
    if name in __all__:
        return getattr(import_module("harness.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
