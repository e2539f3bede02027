"""Benchmarks and ablations for multimodal sensing with few labels."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cosmo-harness")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
