"""A run to be interrupted: `python interrupted.py LEDGER [--there]`, with --there on a Ray that is there before and after."""

import logging
import sys
from pathlib import Path

from stubs import DATA, Told, behave, make_job

from harness.execute.ray_tune import RayExecutor
from harness.ledger import Ledger


class Loud(Told):
    def finished(self, job, record):  # noqa: ARG002
        print(record["status"], flush=True)


def main(root: Path, there: bool) -> int:
    import ray

    if there:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    jobs = [make_job("quick", i=i) for i in range(3)] + [make_job("sleep", seconds=60, i=i) for i in range(3)]
    try:
        RayExecutor(perform=behave).run(jobs, DATA, Ledger(root), Loud())
    except KeyboardInterrupt:
        assert ray.is_initialized() == there
        if there:
            assert ray.available_resources()["CPU"] == 2
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--there" in sys.argv))
