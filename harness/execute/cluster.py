"""The address of a Ray cluster, and its living nodes.

Imported only by the Ray executor.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ray
from ray.exceptions import AuthenticationError

from harness.errors import InputError

NODE_ID_LABEL = "ray.io/node-id"  # which Ray sets on every node
REACH_SECONDS = 10.0


class LivingNode(NamedTuple):
    """A node of the cluster: its name, its total resources, and the folder on it where Ray keeps its sockets."""

    name: str
    resources: Mapping[str, float]
    folder: str


def check_address(address: str) -> None:
    """Raise `InputError` if nothing listens at HOST:PORT, or if the cluster does not accept our token.

    Ray itself would keep trying for a long time and then end the process, or fail without naming the cause.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(
            f"{address!r} is not the address of a Ray cluster: give 'auto', or HOST:PORT as printed by `ray start`"
        )
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise InputError(f"no Ray cluster can be reached at {address}: {error}") from error
    try:
        _authenticate(address)
    except AuthenticationError as error:
        mode = os.environ.get("RAY_AUTH_MODE")
        if mode != "token":
            problem = f"token authentication is off here (RAY_AUTH_MODE is {mode or 'not set'})"
        elif "no authentication token was found" in str(error):
            problem = "there is none here"
        else:
            problem = "the token here is a different one"
        raise InputError(
            f"the Ray cluster at {address} requires its token, but {problem}: copy ~/.ray/auth_token from the node that"
            " started it, or set RAY_AUTH_TOKEN; then export RAY_AUTH_MODE=token"
        ) from error


def _authenticate(address: str) -> None:
    """Connect to the cluster, which needs the token. Does nothing if Ray's internals differ from those of 2.60."""
    try:
        from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
    except ImportError:
        return
    # without a token, GcsClient would abort the process
    ensure_token_if_auth_enabled(None, create_token_if_missing=False)
    try:
        GcsClient(address=address)
    except AuthenticationError:
        raise
    except Exception:  # any other problem is reported by ray.init
        return


def living_nodes() -> dict[str, LivingNode]:
    """Node id → node, for all living nodes. If nodes share a name, the first digits of the id are added to it."""
    listed = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    counts = Counter(_name(node) for node in listed)
    found = {}
    for node in listed:
        name, node_id = _name(node), node["NodeID"]
        shown = f"{name} ({node_id[:6]})" if counts[name] > 1 else name
        found[node_id] = LivingNode(shown, node["Resources"], os.path.dirname(node["ObjectStoreSocketName"]))
    return found


def _name(node: Mapping[str, Any]) -> str:
    named = node["NodeName"] != node["NodeManagerAddress"]  # by `ray start --node-name`
    return str(node["NodeName"] if named else node["NodeManagerHostname"])


def labels_of_other_nodes(avoid: Sequence[str]) -> dict[str, str]:
    """Ray's label selector for all nodes but these."""
    return {NODE_ID_LABEL: f"!in({','.join(avoid)})"} if avoid else {}
