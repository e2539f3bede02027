"""The options of ssh that a study may set. ssh has others that run a command or write a file on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

FLAGS = ("-4", "-6", "-C", "-q", "-v")
WITH_VALUE = {"-p": "Port", "-i": "IdentityFile", "-J": "ProxyJump", "-l": "User"}  # flag → the option that it sets
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:,+\[\]-]*")
_PATH = re.compile(r"[A-Za-z0-9._~/][A-Za-z0-9._~/ +@-]*")
_KNOWN_HOSTS = re.compile(rf"(?:{_PATH.pattern}/)?known[A-Za-z0-9._-]*")  # ssh adds lines to this file
ALLOWED = {
    **dict.fromkeys(
        (
            "Port", "User", "ProxyJump", "IdentitiesOnly", "StrictHostKeyChecking", "ConnectTimeout",
            "ConnectionAttempts", "ServerAliveInterval", "ServerAliveCountMax", "Compression", "AddressFamily",
            "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "PreferredAuthentications", "LogLevel",
        ),
        _WORD,
    ),
    "IdentityFile": _PATH,
    "UserKnownHostsFile": _KNOWN_HOSTS,
}  # fmt: skip
"""Option of ssh → the values that it may have."""


def check_ssh_options(options: Sequence[str]) -> None:
    """Raise `ValueError` for arguments of ssh that a study may not set."""
    for name, value in _pairs(options):
        known = {option.lower(): option for option in ALLOWED}.get(name.lower())
        if known is None:
            raise ValueError(
                f"has {name}, which a study may not set: put it into ~/.ssh/config. It may set {', '.join(ALLOWED)}"
            )
        if not ALLOWED[known].fullmatch(value):
            raise ValueError(f"has {value!r} for {name}, which a study may not set: put it into ~/.ssh/config")


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options and their values; a flag that takes none is left out."""
    left = list(options)
    while left:
        flag = left.pop(0)
        if flag in FLAGS:
            continue
        short = flag[:2]
        if short != "-o" and short not in WITH_VALUE:
            yield flag, ""
            continue
        value = flag[2:] or (left.pop(0) if left else "")
        if short != "-o":
            yield WITH_VALUE[short], value
            continue
        name, _, value = value.strip().partition("=") if "=" in value else value.strip().partition(" ")
        yield name.strip(), value.strip()
