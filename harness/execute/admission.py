"""Which jobs fit on which nodes beside those that run there. Pure functions; this module does not import Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TOLERANCE = 1e-6  # Ray counts resources in steps of 0.0001


class Room:
    """What is left of a node's resources.

    GPUs are counted one by one: a fraction of a GPU is a part of one GPU, and a whole number is that many free ones.
    """

    def __init__(self, resources: Mapping[str, float]):
        self._left = {name: amount for name, amount in resources.items() if name != "GPU"}
        self._gpus = [1.0] * int(resources.get("GPU", 0))

    def take(self, wanted: Mapping[str, float]) -> bool:
        """Reserve a bundle of resources if all of it is left. Returns whether it was."""
        others = {name: amount for name, amount in wanted.items() if name != "GPU"}
        gpus = self._gpus_for(wanted.get("GPU", 0.0))
        if gpus is None or any(self._left.get(name, 0) < amount - TOLERANCE for name, amount in others.items()):
            return False
        for name, amount in others.items():
            self._left[name] = self._left.get(name, 0) - amount
        for number, amount in gpus.items():
            self._gpus[number] -= amount
        return True

    def _gpus_for(self, amount: float) -> dict[int, float] | None:
        """GPU number → share of it, from the fullest GPUs that have room; None if they have too little."""
        each, count = (1.0, round(amount)) if amount >= 1 else (amount, int(amount > 0))
        enough = [number for number, left in enumerate(self._gpus) if left >= each - TOLERANCE]
        if len(enough) < count:
            return None
        return dict.fromkeys(sorted(enough, key=self._gpus.__getitem__)[:count], each)


def bundles_that_fit(wanted: Mapping[str, float], rooms: Iterable[Room], most: int) -> int:
    """The number of bundles of these resources that fit into the rooms, at most ``most``. They are taken."""
    rooms = list(rooms)
    count = 0
    while count < most and any(room.take(wanted) for room in rooms):
        count += 1
    return count
