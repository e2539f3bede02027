"""Over SSH: a real sshd on the loopback interface, with its own port and keys, runs the measuring process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from small import planned, profiles, run, without_times

from harness.edge.attach import ssh
from harness.edge.attach.probe import Check
from harness.edge.attach.ssh import require, serve_lines
from harness.errors import InputError
from harness.study.edge import Device

COMMAND = re.compile(r"command: ([^,]*)")


@pytest.mark.slow
def test_the_record_over_ssh_is_the_one_from_here(device: str, tmp_path: Path) -> None:
    plan, ledger = planned(tmp_path, f"[cpu, {device}]")
    run(plan, ledger, "anywhere", "here", "ssh")
    here, there = (ledger.record(job.key) for job in profiles(plan))
    assert here is not None
    assert there is not None
    assert there["status"] == "done", there
    assert without_times(here["result"]) == without_times(there["result"])
    assert there["environment"]["attached_by"] == "ssh"
    assert ledger.artefacts(there["key"])["latencies.npz"]


def test_a_device_that_does_not_answer_is_a_failed_record_and_the_run_goes_on(device: str, tmp_path: Path) -> None:
    broken = device.replace("'-p', '", "'-p', '1")[:4000].replace(
        "StrictHostKeyChecking=no", "StrictHostKeyChecking=yes"
    )
    plan, ledger = planned(tmp_path, f"[{broken}]")
    run(plan, ledger, "anywhere", "ssh")
    (job,) = profiles(plan)
    record = ledger.record(job.key)
    assert record is not None
    assert record["status"] == "failed"
    assert record["error"]["type"] == "DeviceLost"
    assert "the connection was lost" in record["error"]["message"]
    assert all(ledger.is_done(other.key) for other in plan.jobs.values() if other.kind != "profile")


def test_a_device_is_asked_before_anything_starts(device: str, tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, f"[{device}]")
    require(plan.jobs.values())
    unlike = device.replace("/harness,", "/another/harness,")
    another = Path(COMMAND.search(unlike)[1])  # type: ignore[index]
    another.parent.mkdir()
    another.symlink_to("/bin/echo")
    with pytest.raises(InputError, match="gave an unexpected answer: 'edge serve --json"):
        require(planned(tmp_path, f"[{unlike}]")[0].jobs.values())
    with pytest.raises(InputError, match=r"orin: .*status 127: .*no-such/harness(.|\n)*offline: true"):
        require(planned(tmp_path, f"[{device.replace('/harness,', '/no-such/harness,')}]")[0].jobs.values())
    with pytest.raises(InputError, match=r"kind: cuda, but PyTorch finds no GPU on "):
        require(planned(tmp_path, f"[{device.replace('{', '{kind: cuda, ')}]")[0].jobs.values())


def test_other_code_over_there_is_refused_beforehand(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = planned(tmp_path, f"[{device}]")
    monkeypatch.setattr(ssh, "code_version", lambda: "0.0.1+elsewhere")
    with pytest.raises(InputError, match=r"here it is 0\.0\.1\+elsewhere: install the same version on both machines"):
        require(plan.jobs.values())


def test_serving_says_what_to_write_in_the_study() -> None:
    lines, _ = serve_lines()
    assert any(line.startswith("    harness: ") for line in lines)
    (written,) = YAML(typ="safe").load(lines[-1])
    assert Device.from_plain(written).attachment == "ssh"


@pytest.mark.parametrize("answers", [True, False])
def test_serving_says_whether_something_is_missing(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    monkeypatch.setattr(ssh, "check_ssh_server", lambda: [Check("SSH server", "made up", ok=answers)])
    lines, ready = serve_lines()
    assert ready is answers
    assert any("SSH server: made up" in line and line.startswith("ok" if answers else "no") for line in lines)
