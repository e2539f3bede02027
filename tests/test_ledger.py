import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.jobs import Failure, Job, Outcome
from harness.ledger import Ledger, write_whole


def job(key: str = "a" * 20) -> Job:
    return Job(key, "train", {"threads": 1}, {"method": "m", "dataset": "d", "seed": 0}, "f")


def outcome(**artefacts: bytes) -> Outcome:
    return Outcome(
        {"accuracy": 0.5},
        {name.replace("_", "."): data for name, data in artefacts.items()},
        {},
        "2026-01-01T00:00:00",
        1.0,
    )


def test_a_record_and_its_artefacts_are_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.record(job().key) is None
    ledger.write_done(job(), outcome(encoders_bin=b"123"))
    assert ledger.is_done(job().key)
    record = ledger.record(job().key)
    assert record is not None
    assert record["result"] == {"accuracy": 0.5}
    assert ledger.artefacts(job().key) == {"encoders.bin": b"123"}
    assert [record["key"] for record in ledger.records()] == [job().key]


def test_a_failed_job_is_not_done_and_its_attempts_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for attempt in (1, 2):
        assert ledger.write_failed(job(), Failure("ValueError", "no", "…"))["attempts"] == attempt
    assert not ledger.is_done(job().key)
    assert ledger.write_done(job(), outcome())["attempts"] == 3
    assert ledger.is_done(job().key)
    again = replace(job(), keep_model=True)
    assert ledger.write_failed(again, Failure("ValueError", "no", "…"))["status"] == "failed"
    assert ledger.is_done(job().key)  # it ran again only for its model


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "A" * 20, "a/b", "a" * 20 + "\n"])
def test_a_key_never_becomes_an_unchecked_path(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="not a safe name"):
        Ledger(tmp_path).record(key)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", ""])
def test_an_artefact_name_never_becomes_an_unchecked_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a safe name"):
        Ledger(tmp_path).write_done(job(), Outcome({}, {name: b""}, {}, "", 0))
    assert not list(tmp_path.rglob("*.json"))


def test_damage_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write_done(job(), outcome(a_bin=b"123"))
    (tmp_path / "artefacts" / job().key / "a.bin").write_bytes(b"124")
    with pytest.raises(InputError, match=r"a\.bin is damaged"):
        ledger.artefacts(job().key)["a.bin"]
    path = tmp_path / "records" / f"{job().key}.json"
    path.write_text("{")
    with pytest.raises(InputError, match=f"{job().key}.json is damaged"):
        ledger.record(job().key)
    path.write_text(json.dumps({"schema": 99}))
    with pytest.raises(InputError, match="schema 99"):
        ledger.record(job().key)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        Ledger.open(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"old")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "x", "not bytes")  # type: ignore[arg-type]
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


WRITER = """
import sys
from pathlib import Path
from harness.ledger import write_whole
print("ready", flush=True)
n = 0
while True:
    n += 1
    write_whole(Path(sys.argv[1]), str(n % 10).encode() * 200_000)
"""


def test_files_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "plan.json", b"{}")
        assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "record"
    for pause in (0.01, 0.03, 0.07, 0.11):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 200_000
            assert len(set(data)) == 1


HOLDER = """
import sys, time
from pathlib import Path
from harness.ledger import Ledger
with Ledger(Path(sys.argv[1])).locked():
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_dead_one_is_not_waited_for(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout
    first.stdout.readline()
    with pytest.raises(InputError, match=f"is being run by process {first.pid} on .* since"), Ledger(tmp_path).locked():
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / ".writing-half").write_text("{")
    with Ledger(tmp_path).locked():
        assert json.loads((tmp_path / "holder.json").read_text())["pid"] == os.getpid()
        assert not list((tmp_path / "records").iterdir())
    assert not (tmp_path / "holder.json").exists()
