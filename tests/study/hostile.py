"""Studies as somebody may write them by mistake or on purpose: broken text, odd values, values far too large."""

from __future__ import annotations

import random
from collections.abc import Callable

BASE = """\
study: trial
title: A title
datasets:
  - fantasy-device
methods: [deepsense, cosmo]
sweep: {label_rate: [0.1, 0.2]}
seeds: 2
select: last
stage1: {epochs: 3}
stage2: {epochs: 7, lr: 0.01}
split: {test: [12], validation: [11]}
search: {trials: 2, space: {stage2.lr: {loguniform: [0.001, 0.1]}}}
edge: {devices: [{name: cpu}], seeds: [0]}
options:
  cosmo: {lambda: 0.5}
  fantasy-device: {series: 12, seconds: 20, window: 200, stride: 150}
"""
VALUES = (
    "~", "true", "-1", "0", "1", "3.5", ".nan", ".inf", "1e400", "9" * 19, "9" * 200, "0x" + "f" * 30, "1" * 5000,
    "2020-01-01", "2020-99-99", "2001-12-14t21:59:43Z", "''", "'\\0'", '"\\ud800"', '"\\e[31m"', '"\\UFFFFFFFF"',
    "x" * 5000, "é☃𝄞", "[]", "{}", "[[]]", "[~]", "{~: 1}", "{1: 2, '1': 3}", "[" * 2000, "[" * 100 + "]" * 100,
    "{a: " * 500 + "1" + "}" * 500, "&a [*a]", "*b", "!!python/object/apply:os.system [id]", "!x y", "<<", "=", "{<<: 1}",
    "{<<: {a: 1}}", "/dev/zero", "../../../etc/passwd", "arrays:../..", "arrays:x", "-oProxyCommand=x", "1_0", "0o17",
    "[0, 0]", "[.nan, .nan]", "1000000000", "[1, 2.0, x, ~, {}]", "{loguniform: [1, 1]}", "{choice: []}", "{randint: [0, 1]}",
    "all", "rest", "cosmo", "deepsense", "fantasy-device", "[cosmo, cosmo]", "[fantasy-device, fantasy-device]",
)  # fmt: skip
KEYS = ("study", "title", "datasets", "methods", "sweep", "seeds", "select", "stage1", "stage2", "split", "search",
        "edge", "options", "label_rate", "labels", "labels_per_class", "label_list", "unlabeled", "threads", "device",
        "retries", "reference", "question", "validation_labels", "epochs", "lr", "lambda", "series", "window", "stride",
        "trials", "space", "devices", "name", "ssh", "test", "nonsense")  # fmt: skip
LAUGHS = "".join(f"x{n}: &x{n} [{','.join([f'*x{n - 1}' if n else 'a'] * 9)}]\n" for n in range(8))


def _replace_value(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    index = rng.randrange(len(lines))
    key, colon, _ = lines[index].partition(":")
    lines[index] = f"{key}{colon} {rng.choice(VALUES)}"
    return "\n".join(lines) + "\n"


def _replace_inner(text: str, rng: random.Random) -> str:
    """Replace a word or a number anywhere."""
    words = text.split(" ")
    words[rng.randrange(len(words))] = rng.choice(VALUES)
    return " ".join(words)


def _add_key(text: str, rng: random.Random) -> str:
    return f"{text}{rng.choice(KEYS)}: {rng.choice(VALUES)}\n"


def _sweep(text: str, rng: random.Random) -> str:
    option = rng.choice((*KEYS, "stage2.lr", "cosmo.lambda", "split.test", "fantasy-device.window", "a.b.c", "stage2"))
    values = ", ".join(rng.choice(VALUES) for _ in range(rng.randrange(1, 4)))
    return text.replace("label_rate: [0.1, 0.2]", f"{option}: [{values}]")


def _drop_line(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text))]


def _flip(text: str, rng: random.Random) -> str:
    index = rng.randrange(len(text))
    return text[:index] + rng.choice("\0\x07\x1b\n\t:-[]{}&*!|>'\"%@`#,?~<=é\ufeff\u2028𝄞") + text[index + 1 :]


def _laugh(text: str, rng: random.Random) -> str:
    return text + LAUGHS if rng.random() < 0.5 else LAUGHS + text


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _replace_value, _replace_value, _replace_inner, _replace_inner, _add_key, _sweep, _drop_line, _cut, _flip, _laugh,
)  # fmt: skip


def mutated(number: int) -> str:
    """The hostile study of a number, always the same."""
    rng, text = random.Random(number), BASE
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = rng.choice(MUTATIONS)(text, rng)
    return text
