"""deploy/ and docker/: the Slurm script with stand-ins for Slurm, Ray and harness as real processes, and the Dockerfile."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# each writes what it is given to the log, one line an event
STAND_INS = {
    "scontrol": """
        [ "$1" = show ] && printf 'node%s\\n' 1 2 3 || echo "scontrol $*" >> "$LOG" """,
    "srun": """
        options=()
        while [[ "$1" == -* ]]; do
            options+=("$1"); [[ "$1" == -[wx] ]] && { shift; options+=("$1"); }
            shift
        done
        echo "srun ${options[*]} : $*" >> "$LOG"
        exec "$@" """,
    "ray": """
        echo "ray [$(printenv RAY_AUTH_MODE)] [${#RAY_AUTH_TOKEN}] $*" >> "$LOG"
        trap 'echo "ray $1 ends" >> "$LOG"; exit 0' TERM
        case "$*" in
            status*) [ -e "$LOG.up" ]; exit ;;
            *--head*) [ -n "$HEAD_FAILS" ] && exit 1; sleep 0.3; touch "$LOG.up" ;;
        esac
        while true; do sleep 0.05; done """,
    "harness": """
        printf 'harness'  >> "$LOG"; printf ' <%s>' "$@" >> "$LOG"; echo >> "$LOG"
        trap 'echo "harness stops" >> "$LOG"; sleep 0.2; exit 130' TERM
        touch "$LOG.running"
        for i in $(seq "$TICKS"); do sleep 0.05; done
        exit "$STATUS" """,
    "sleep": """[ "$1" = 1 ] && set -- 0.1; exec /bin/sleep "$@" """,
}


class Slurm:
    """Runs the script as a job of three nodes."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log"
        for name, text in STAND_INS.items():
            (folder / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / name).chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        known = {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "LOG": str(self.log), "SLURM_JOB_ID": "123456", "STATUS": "0",
            "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_JOB_NUM_NODES": "3", "SLURM_CPUS_ON_NODE": "48", "TICKS": "4",
            "HEAD_FAILS": "", "TMPDIR": str(self.folder / ("long" * 20)),
        }  # fmt: skip
        command = ["bash", ROOT / "deploy/slurm.sh", *arguments]
        return subprocess.Popen(
            command, env={**known, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def events(self, beginning: str = "") -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(beginning)]


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    return Slurm(tmp_path)


def test_a_slurm_job_starts_ray_on_its_nodes_and_hands_its_arguments_on(slurm: Slurm) -> None:
    process = slurm.start(
        "label_rate", "--data", "/my data", "--set", "device=cuda", SLURM_GPUS_ON_NODE="4", STATUS="1"
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    address = "node1:23456"
    assert slurm.events("harness") == [
        f"harness <run> <label_rate> <--data> </my data> <--set> <device=cuda> <--address> <{address}> <--wait-for-nodes> <300>"
    ]
    head, workers = [line for line in slurm.events("ray [token] [64]") if "start" in line]
    assert head.endswith(
        "start --num-cpus=48 --num-gpus=4 --block --head --port=23456 --temp-dir=/tmp/ray-123456 --include-dashboard=false"
    )
    assert workers.endswith(f"start --num-cpus=48 --num-gpus=4 --block --address={address}")
    kinds = [re.sub(r".* : (\S+ \S+).*", r"\1", line) for line in slurm.events("srun")]
    assert sorted(kinds[:3]) == ["harness run", "ray start", "ray start"]
    assert kinds[3] == "rm -rf"
    for line in slurm.events("srun"):
        assert "--overlap" in line
        assert "--cpus-per-task=48" in line
        assert "--mem=0" in line
        assert ("--gpus-per-node=4" in line) == ("ray start" in line)
    assert any("--nodes=1" in line and "-w node1" in line for line in slurm.events("srun"))
    assert any("--nodes=2" in line and "-x node1" in line for line in slurm.events("srun"))
    order = slurm.events()
    assert order.index(workers) > [n for n, line in enumerate(order) if "ray [token] [64] status" in line][-1]
    assert slurm.events("ray start ends") == ["ray start ends"] * 2
    assert not slurm.events("scontrol")


@pytest.mark.parametrize(("sent", "ticks", "requeued"), [(signal.SIGUSR1, "600", True), (signal.SIGTERM, "600", False)])
def test_a_job_near_its_limit_stops_in_order_and_is_queued_again(
    slurm: Slurm, sent: signal.Signals, ticks: str, requeued: bool
) -> None:
    process = slurm.start("label_rate", TICKS=ticks)
    await_true(lambda: slurm.log.with_name("log.running").exists())
    process.send_signal(sent)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert slurm.events("harness stops") == ["harness stops"]
    assert slurm.events("ray start ends") == ["ray start ends"] * 2
    assert slurm.events("scontrol") == (["scontrol requeue 123456"] if requeued else [])
    assert ("the run goes on" in said) == requeued


def test_a_head_that_does_not_start_ends_the_job(slurm: Slurm) -> None:
    process = slurm.start("label_rate", HEAD_FAILS="yes")
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Ray did not start on node1" in errors
    assert not slurm.events("harness")


def await_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# -- the image ----------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its arguments on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "docker/Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def test_the_dockerfile_takes_a_base_image_and_copies_what_the_package_is_built_from(tmp_path: Path) -> None:
    found = instructions()
    assert [name for name, _ in found[:2]] == ["ARG", "FROM"]
    assert found[0][1].startswith("BASE=python:3.")
    assert found[1][1] == "${BASE}"
    assert {name for name, _ in found} <= {"ARG", "FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "CMD"}
    copied = {source for name, text in found if name == "COPY" for source in text.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[(.*)\]", project, re.MULTILINE)
    assert packages is not None
    assert {*re.findall(r'"(\w+)"', packages[1]), "studies", "pyproject.toml", "README.md", "LICENSE"} <= copied
    for name, text in found:
        if name == "RUN":
            subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.skipif(shutil.which("useradd") is None or os.geteuid() != 0, reason="only root adds users")
@pytest.mark.parametrize("there", ["", "ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n"])
def test_the_image_has_its_user_even_if_the_base_has_one_of_that_number(there: str, tmp_path: Path) -> None:
    (etc := tmp_path / "etc").mkdir()
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"):
        (etc / name).write_text(there if name == "passwd" else "")
    (command,) = [text for name, text in instructions() if name == "RUN" and text.startswith("useradd")]
    arguments = [*command.split(), "--no-user-group"]
    subprocess.run([arguments[0], "--prefix", str(tmp_path), *arguments[1:]], check=True)
    assert (tmp_path / "home/ray").stat().st_uid == 1000


def test_the_image_installs_the_torch_of_its_base_or_of_the_index(tmp_path: Path) -> None:
    """The commands of the Dockerfile, with a stand-in for python that has torch or not."""
    commands = [text for name, text in instructions() if name == "RUN" and "torch" in text]
    for has_torch in (False, True):
        folder = tmp_path / str(has_torch)
        folder.mkdir()
        (folder / "constraints.txt").write_text("numpy==2.0\ntorch==2.13.0\ntyper==1.0\n")
        (folder / "python").write_text(
            '#!/bin/bash\n[[ "$1" = -m ]] && { echo "$*" >> log; touch has_torch; exit; }\n'
            '[ -e has_torch ] || exit 1\n[[ "$2" = *print* ]] && echo torch==2.9.0 || true\n'
        )
        (folder / "harness").write_text("#!/bin/bash\n")
        for path in (folder / "python", folder / "harness"):
            path.chmod(0o755)
        if has_torch:
            (folder / "has_torch").touch()
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TORCH_INDEX": "https://index/whl/cu128"}
        subprocess.run(["bash", "-ec", "\n".join(commands)], cwd=folder, env=environment, check=True)
        installed = (folder / "log").read_text().splitlines()
        own = ["-m pip install -c constraints.txt --index-url https://index/whl/cu128 torch"]
        assert installed[:-1] == ([] if has_torch else own)
        assert installed[-1] == "-m pip install -c others.txt -c torch.txt .[ray,onnx] ray[default]"
        assert (folder / "others.txt").read_text() == "numpy==2.0\ntyper==1.0\n"
        assert (folder / "torch.txt").read_text() == "torch==2.9.0\n"
