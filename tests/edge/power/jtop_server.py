"""A stand-in for the daemon of jetson-stats that its real client can talk to: a multiprocessing manager on a socket.

Run it as ``python jtop_server.py SOCKET CURVE INTERVAL RAIL``. CURVE is a JSON list of [seconds, milliwatts], corners
of a periodic, piecewise linear curve of power; RAIL is the name of the input rail, or empty; "no sensors" is a board without any. It offers only what the
client needs: a queue for its commands, a dictionary of readings and an event.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from multiprocessing.managers import SyncManager
from queue import Queue

import numpy as np


def main(socket: str, curve: list[list[float]], interval: float, rail: str) -> None:
    from jtop.core.common import get_key, get_var
    from jtop.jtop import VERSION_RE

    queue: Queue[dict[str, object]] = Queue()
    answers = Conversation(queue, {"init": configuration(get_var(VERSION_RE), interval)})
    data: dict[str, object] = {}
    event = threading.Event()
    SyncManager.register("get_queue", callable=lambda: answers)
    SyncManager.register("sync_data", callable=lambda: data)
    SyncManager.register("sync_event", callable=lambda: event)
    threading.Thread(target=read_for_ever, args=(data, event, np.array(curve), interval, rail), daemon=True).start()
    server = SyncManager(address=socket, authkey=get_key().encode()).get_server()
    print("ready", flush=True)
    server.serve_forever()


class Conversation:
    """The daemon's one queue: what a client puts is taken, what it gets is the configuration."""

    def __init__(self, queue: Queue[dict[str, object]], answer: dict[str, object]):
        self._answer = answer

    def put(self, command: dict[str, object]) -> None:
        pass

    def get(self, timeout: float) -> dict[str, object]:
        return self._answer

    def empty(self) -> bool:
        return True


def configuration(version: str, interval: float) -> dict[str, object]:
    fan: dict[str, object] = {}
    return {
        "version": version,
        "interval": interval,
        "board": {"hardware": {}},
        "memory": False,
        "fan": fan,
        "jc": False,
    }


def read_for_ever(
    data: dict[str, object], event: threading.Event, curve: np.ndarray, interval: float, rail: str
) -> None:
    due = time.monotonic()
    while True:
        milliwatts = int(np.interp(time.monotonic() % curve[-1, 0], curve[:, 0], curve[:, 1]))
        rails = {
            "VDD_CPU_GPU_CV": {
                "volt": 5000,
                "curr": milliwatts // 10,
                "power": milliwatts // 2,
                "avg": 1,
                "online": True,
            }
        }
        total = {"volt": 5000, "curr": milliwatts // 5, "power": milliwatts, "avg": 1, "name": rail, "online": True}
        if not rail:  # as jtop does where it knows no input rail: the sum of all, under no name
            rails["VDD_CPU"], total = rails["VDD_CPU_GPU_CV"], {"power": milliwatts, "avg": 2}
        if rail.endswith("VDD_SOC off"):
            rails["VDD_SOC"], total["name"] = {**rails["VDD_CPU_GPU_CV"], "online": False}, "VDD_IN"
        power = {} if rail == "no sensors" else {"rail": rails, "tot": total}
        data.update({"power": power, "gpu": {}, "mem": {}, "fan": {}})
        event.set()
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
