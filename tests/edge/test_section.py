"""The section ``edge`` of a study: faults are reported with their line before anything starts."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console
from small import planned, profiles

from harness.driver import dry_run
from harness.errors import StudyError
from harness.plan import make_plan
from harness.study import bundled_studies, read_study
from harness.study.edge import Device


@pytest.mark.parametrize(
    ("devices", "meter", "said"),
    [
        ("[cpu]", "raple", "did you mean 'rapl'"),
        ("[cpu, cpu]", "none", "'cpu' is listed twice"),
        ("[{name: cpu, kind: cuda}]", "none", "use another name for the device"),
        ("[{name: a, ssh: u@h, offline: true}]", "none", "give only one of them"),
        ("[{name: a, ssh: -oProxyCommand=evil}]", "none", "does not match"),
        ("[{name: ../a}]", "none", "does not match"),
        ("[{name: a, ssh: u@h, command: ~/run}]", "none", "a path of harness, or PYTHON -m harness"),
        ("[{name: a, sssh: u@h}]", "none", "there is no such option"),
        ("[]", "none", "at least 1"),
    ],
)
def test_what_is_wrong_is_said(devices: str, meter: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        planned(tmp_path, devices, meter)
    assert said in str(caught.value)
    assert "study.yaml:" in str(caught.value)


def test_a_method_that_the_study_has_not_is_said(tmp_path: Path) -> None:
    planned(tmp_path)
    text = (tmp_path / "study.yaml").read_text() + "  methods: [cosmoo]\n"
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(StudyError, match="the study has no method 'cosmoo'"):
        read_study(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    ("device", "attachment"),
    [
        ({"name": "cpu"}, "here"),
        ({"name": "orin"}, "ray"),
        ({"name": "nano", "ssh": "u@h"}, "ssh"),
        ({"name": "tx2", "offline": True}, "offline"),
    ],
)
def test_how_a_device_is_reached(device: dict[str, object], attachment: str) -> None:
    assert Device.from_plain(device).attachment == attachment


def test_only_what_changes_a_measurement_is_in_its_key(tmp_path: Path) -> None:
    def keys(devices: str, **options: object) -> list[str]:
        return [job.key for job in profiles(planned(tmp_path, devices, **options)[0])]  # type: ignore[arg-type]

    one = keys("[{name: orin, ssh: a@h}]")
    assert keys("[{name: orin, ssh: b@other}]") == one  # the same device, attached differently
    assert keys("[{name: orin}]") == one
    assert keys("[{name: nano}]") != one
    assert keys("[{name: orin}]", seconds=0.07) != one


def test_a_dry_run_does_not_count_what_waits_for_an_offline_device_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    planned(tmp_path, "[cpu, {name: box, offline: true}]")
    for _ in range(2):  # the second one reads what the first has remembered
        console = Console(file=io.StringIO(), width=120)
        dry_run(tmp_path / "study.yaml", tmp_path / "run", None, [], console, options=False)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "0 are done, 2 to run, 1 for offline devices" in shown
        assert re.search(r"profile +2 +0 +1 +1 *\n", shown)


def test_a_study_without_the_section_has_the_keys_it_had(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path)
    text = (tmp_path / "study.yaml").read_text().partition("edge:")[0]
    (tmp_path / "study.yaml").write_text(text)
    bare = make_plan(read_study(tmp_path / "study.yaml"), None)
    assert set(bare.jobs) == {key for key, job in plan.jobs.items() if job.kind != "profile"}


def test_an_older_runs_plan_is_still_read(tmp_path: Path) -> None:
    """A plan.json written before profile jobs existed."""
    from harness.results.run import RunResults
    from harness.results.table import trial_table

    plan, ledger = planned(tmp_path)
    content = plan.to_json()
    for trial in content["trials"]:
        del trial["profile_keys"]
    ledger.write_plan(plan.study_json(), content)
    assert len(trial_table(RunResults.open(tmp_path / "run"))) == 1


def test_the_bundled_study_is_sound() -> None:
    (path,) = (study for study in bundled_studies() if study.stem == "edge_cost")
    edge = read_study(path).file.edge
    assert edge is not None
    assert edge.latency.count >= 662


@pytest.mark.parametrize(
    ("options", "right"),
    [
        (["-p", "2222", "-i", "~/.ssh/orin"], True),
        (["-p2222", "-4", "-o", "ConnectTimeout=5", "-oidentitiesonly=yes"], True),
        (["-o", "UserKnownHostsFile=/home/a/known_hosts"], True),
        (["-oProxyCommand=touch pwned"], False),
        (["-o", "proxycommand touch pwned"], False),
        (["-o", "LocalCommand=x", "-o", "PermitLocalCommand=yes"], False),
        (["-F", "config"], False),
        (["-E", "log"], False),
        (["-o", "UserKnownHostsFile=~/.bashrc"], False),
        (["-J", "-oProxyCommand=x"], False),
        (["-i"], False),
        (["host"], False),
    ],
)
def test_a_study_cannot_run_commands_by_options_of_ssh(options: list[str], right: bool) -> None:
    values = {"name": "orin", "ssh": "me@orin", "ssh_options": options}
    if right:
        assert Device.from_plain(values).ssh_options == options
    else:
        with pytest.raises(ValidationError, match="which a study may not set"):
            Device.from_plain(values)


@pytest.mark.parametrize("command", ["rm -rf ~", "harness; rm x", "$(x)harness", "bash -c harness", "/x y/harness"])
def test_a_device_runs_nothing_but_the_harness(command: str) -> None:
    with pytest.raises(ValidationError, match="command"):
        Device.from_plain({"name": "orin", "ssh": "me@orin", "command": command})
    assert Device.from_plain({"name": "orin", "ssh": "me@orin", "command": "~/venv/bin/python3.11 -m harness"})
