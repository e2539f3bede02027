"""The number of trials of a study, computed from its text before any of them is made."""

from __future__ import annotations

from math import prod

from harness.errors import Problem
from harness.study.model import DatasetEntry, StudyFile
from harness.yaml.text import Located

MAX_TRIALS = 100_000


def check_size(file: StudyFile, located: Located, max_trials: int) -> list[Problem]:
    """A problem if a study has more trials than it may, with the arithmetic."""
    counts = [_trials(file, entry) for entry in file.datasets]
    total = sum(number for number, _ in counts)
    if total <= max_trials:
        return []
    shown = "; ".join(f"{entry.name}: {text}" for entry, (_, text) in zip(file.datasets[:5], counts, strict=False))
    message = f"the study has {total:,} trials, and may have {max_trials:,} ({shown})"
    where = next((located.location((key,)) for key in ("sweep", "seeds", "search") if (key,) in located.locations), "")
    hint = "compare fewer values, seeds or draws, or raise the limit with --max-trials"
    return [Problem(where or located.location(()), "", message, hint)]


def _trials(file: StudyFile, entry: DatasetEntry) -> tuple[int, str]:
    """The number of trials of a data set, with those of its search, and how it is computed."""
    lengths = [len(values) for values in file.sweep_of(entry).values() if isinstance(values, list)]
    n_methods, n_seeds = len(file.methods), len(file.seeds)
    trained, text = n_seeds, f"{n_seeds:,} {'seed' if n_seeds == 1 else 'seeds'}"
    if file.search:
        n_draws, n_search_seeds = file.search.trials, len(file.search_seeds)
        trained += n_draws * n_search_seeds
        text = f"({text} + {n_draws:,} draws × {n_search_seeds:,} of their seeds)"
    if (folds := file.folds_of(entry)) and folds.repeats:  # of the other kind, the data say how many
        lengths.append(folds.repeats)
    swept = "".join(f"{length:,} × " for length in lengths)
    methods = "1 method" if n_methods == 1 else f"{n_methods:,} methods"
    return n_methods * prod(lengths) * trained, f"{methods} × {swept}{text}"
