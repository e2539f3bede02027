"""A run that test_ray.py interrupts: `python interrupted.py LEDGER`. Prints the status of each job that finishes."""

import sys
from pathlib import Path

from stubs import DATA, RecordingObserver, behave, make_job

from harness.execute.ray_tune import RayExecutor
from harness.ledger import Ledger


class PrintingObserver(RecordingObserver):
    def finished(self, job, record):
        print(record["status"], flush=True)


if __name__ == "__main__":
    jobs = [make_job("quick", i=i) for i in range(3)] + [make_job("sleep", seconds=60, i=i) for i in range(3)]
    try:
        RayExecutor(perform=behave).run(jobs, DATA, Ledger(Path(sys.argv[1])), PrintingObserver())
    except KeyboardInterrupt:
        sys.exit(130)
