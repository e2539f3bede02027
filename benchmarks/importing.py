"""How long `harness data import` takes for one large CSV file, and how much memory: python benchmarks/importing.py."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

CONFIG = """\
files: "{session}.csv"
modalities:
  acc: {columns: [ax, ay, az], time: t, rate: 100, resample: 50}
  gyro: {columns: [gx, gy, gz], time: t, rate: 100}
subject: {column: who}
split_by: [who]
label: {column: label}
windows: {seconds: 2, overlap: 0.5}
"""
ROWS = 200_000  # of each person


def write(path: Path, gigabytes: float) -> None:
    """A CSV file of this size: people one after another, with two sensors at 100 Hz and a label for each sample."""
    rng = np.random.default_rng(0)
    values = [",".join(row) for row in rng.normal(size=(ROWS, 6)).round(5).astype(str)]
    with path.open("w", encoding="utf-8") as file:
        file.write("t,ax,ay,az,gx,gy,gz,label,who\n")
        person = 0
        while file.tell() < gigabytes * 1e9:
            person += 1
            rows = (f"{row / 100:.2f},{text},class {row // 5000 % 6},p{person}\n" for row, text in enumerate(values))
            file.writelines(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    gigabytes = parser.parse_args().gigabytes
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        write(folder / "in/all.csv", gigabytes)
        (folder / "import.yaml").write_text(CONFIG, encoding="utf-8")
        command = [sys.executable, "-m", "harness", "data", "import", str(folder / "in")]
        started = perf_counter()
        subprocess.run([*command, "--config", str(folder / "import.yaml"), "--out", str(folder / "out")], check=True)
        seconds = perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size, peak = (folder / "in/all.csv").stat().st_size / 1e9, used.ru_maxrss / 2**20
        processor = used.ru_utime + used.ru_stime  # hardly depends on what else the machine does
        print(f"{size:.2f} GB of CSV: {seconds:.0f} s, {processor:.0f} s of processor time, {peak:.2f} GiB at most")


if __name__ == "__main__":
    main()
