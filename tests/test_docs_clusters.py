"""docs/clusters.md and what it links to: files that are there, fields that KubeRay has, scripts that parse, commands that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from harness.cli import app

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
# https://docs.ray.io/en/master/kuberay/references/api.html, the fields that a RayJob's manifest here may use
FIELDS = {
    "RayJob": {"apiVersion", "kind", "metadata", "spec"},
    "RayJobSpec": {
        "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint", "entrypointNumCpus",
        "entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata", "rayClusterSpec", "runtimeEnvYAML",
        "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate", "suspend", "ttlSecondsAfterFinished",
    },
    "RayClusterSpec": {
        "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec",
        "headServiceAnnotations", "managedBy", "rayVersion", "suspend", "workerGroupSpecs",
    },
    "HeadGroupSpec": {"enableIngress", "headService", "rayStartParams", "serviceType", "template"},
    "WorkerGroupSpec": {
        "groupName", "idleTimeoutSeconds", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams", "replicas", "scaleStrategy",
        "suspend", "template",
    },
}  # fmt: skip


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
    assert "docs/clusters.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def known(content: dict[str, Any], kind: str) -> dict[str, Any]:
    assert set(content) <= FIELDS[kind], set(content) - FIELDS[kind]
    return content


def test_the_manifest_has_fields_that_kuberay_knows() -> None:
    manifest = known(YAML(typ="safe").load((ROOT / "deploy/rayjob.yaml").read_text(encoding="utf-8")), "RayJob")
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    job = known(manifest["spec"], "RayJobSpec")
    cluster = known(job["rayClusterSpec"], "RayClusterSpec")
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [
        known(cluster["headGroupSpec"], "HeadGroupSpec"),
        *(known(group, "WorkerGroupSpec") for group in cluster["workerGroupSpecs"]),
    ]
    images = set()
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            images.add(container["image"])
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            assert set(container["resources"]) == {"requests", "limits"}
    assert len(images) == 1
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def harness_commands() -> list[str]:
    manifest = YAML(typ="safe").load((ROOT / "deploy/rayjob.yaml").read_text(encoding="utf-8"))
    lines = [line for block in BLOCKS for line in block.splitlines()]
    return [line[line.index("harness ") :] for line in lines if "harness " in line] + [manifest["spec"]["entrypoint"]]


@pytest.mark.parametrize("command", harness_commands())
def test_the_commands_take_these_options(command: str) -> None:
    """Everything but the study and the data, which aren't here: an option that doesn't exist is a usage error."""
    _, name, *arguments = shlex.split(command)
    result = CliRunner().invoke(app, [name, *arguments, "--help"])
    assert result.exit_code == 0, result.output


def test_the_slurm_script_parses() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    subprocess.run([bash, "-n", ROOT / "deploy/slurm.sh"], check=True)
    text = (ROOT / "deploy/slurm.sh").read_text(encoding="utf-8")
    assert "RAY_AUTH_MODE=token" in text
    assert "ray stop" not in text
