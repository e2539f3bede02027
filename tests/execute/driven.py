"""A driver for test_cluster.py: `python driven.py ADDRESS LEDGER "[(name, content), …]" [WAIT_SECONDS [DATA_SAMPLES]]`.

Prints each event of the run on a line of its own. Bad input ends it with the message on stderr.
"""

import ast
import sys
from pathlib import Path

from stubs import RecordingObserver, behave, make_job, make_recordings

from harness.errors import InputError
from harness.execute.ray_tune import RayExecutor
from harness.ledger import Ledger


class PrintingObserver(RecordingObserver):
    def started(self, job, where):
        print("started", job.content["name"], where, flush=True)

    def finished(self, job, record):
        print(record["status"], job.content["name"], flush=True)

    def nodes(self, nodes):
        print("nodes", *sorted(node.name for node in nodes), flush=True)

    def note(self, text):
        print("note", text, flush=True)


if __name__ == "__main__":
    address, ledger, jobs, *more = sys.argv[1:]
    wait, samples = float(more[0]) if more else 0.0, int(more[1]) if len(more) > 1 else 64
    recordings = make_recordings(samples)
    try:
        RayExecutor(address, perform=behave, wait_seconds=wait).run(
            [make_job(name, **content) for name, content in ast.literal_eval(jobs)],
            {recordings.fingerprint: recordings},
            Ledger(Path(ledger)),
            PrintingObserver(),
        )
    except InputError as error:
        sys.exit(f"{error}")
