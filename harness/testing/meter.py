"""The checks of a meter."""

from __future__ import annotations

import math
from typing import Any

from harness import registry
from harness.edge.power.meter import Channel, Meter, MeterError
from harness.testing.contract import check_identity, fail, stating


def check_meter(meter: str | type[Meter], argument: str = "") -> str | None:
    """Check a meter, given by its name or class, by reading it twice.

    Args:
        meter: The name of a registered meter, as in a study (``nvml:0,1``), or its class.
        argument: The text after the colon of its name, if ``meter`` is a class.

    Returns:
        The reason why the meter can't be read on this machine, or None if it was read.

    Raises:
        AssertionError: The meter breaks its contract.
    """
    if isinstance(meter, str):
        name, _, behind = meter.partition(":")
        cls, argument = registry.get("meters", name), argument or behind
    else:
        cls = meter
    check_identity(cls, Meter)
    made = cls(argument)
    try:
        with stating(f"{cls.name}: open() fails", "it should raise MeterError with the reason", MeterError):
            channels = made.open()
    except MeterError as error:
        if not str(error).strip():
            fail(f"{cls.name}: open() raises MeterError without a message", "it should give the reason")
        return str(error)
    try:
        _check_channels(cls.name, channels)
        _check_readings(made, channels)
    finally:
        with stating(f"{cls.name}: close() fails", "it should release what open() acquired"):
            made.close()
    return None


def _check_channels(name: str, channels: Any) -> None:
    if not isinstance(channels, tuple) or not channels or not all(isinstance(c, Channel) for c in channels):
        fail(f"{name}: open() returns {channels!r}", "it should return a tuple of at least one Channel")
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names) or not all(names):
        fail(f"{name}: the channels are called {names}", "each should have a different name")
    for channel in channels:
        if channel.kind not in ("power", "counter"):
            fail(f"{name}: channel {channel.name} has kind {channel.kind!r}", 'it should be "power" or "counter"')
        if not channel.covers:
            fail(f"{name}: channel {channel.name} does not say what it covers", "it should, in words")
        if channel.wraps_at is not None and (channel.kind != "counter" or channel.wraps_at <= 0):
            fail(
                f"{name}: channel {channel.name} has wraps_at {channel.wraps_at}",
                "it should be above 0, and only a counter should have it",
            )


def _check_readings(meter: Meter, channels: tuple[Channel, ...]) -> None:
    with stating(f"{meter.name}: read() fails", "it should return one value per channel"):
        readings = [list(meter.read()) for _ in range(2)]
    for reading in readings:
        if len(reading) != len(channels):
            fail(
                f"{meter.name}: a reading has {len(reading)} values", f"it should have {len(channels)}, one per channel"
            )
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in reading):
            fail(f"{meter.name}: a reading is {reading}", "its values should be finite numbers")
    for channel, before, after in zip(channels, *readings, strict=True):
        if channel.kind == "counter" and channel.wraps_at is None and after < before:
            fail(
                f"{meter.name}: counter {channel.name} falls from {before} to {after}",
                "it should never fall unless it has wraps_at",
            )
