"""Checks for authors of plug-ins: whether a method, a data set or a meter keeps the contract of the harness.

Each check runs the plug-in on small input. It returns if the plug-in passes; otherwise it raises AssertionError, which
says what is wrong and what would be right. The checks need no test framework and can be called from a plug-in's tests.
"""

from harness.testing.dataset import check_dataset
from harness.testing.meter import check_meter
from harness.testing.method import check_method

__all__ = ["check_dataset", "check_meter", "check_method"]
