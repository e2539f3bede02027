"""The quality of modalities on the training subjects of a data set, for each criterion, as a Markdown table.

    python benchmarks/quality.py utd-mhad --data ~/data
    python benchmarks/quality.py usc-had --data ~/data --options '{"stride": 200}'

Every row has H, k_opt, q and the weight with their intervals, the seeds in which k_opt is identified, and the processor
seconds of the point estimates and of everything. ``--components 0`` takes the normalised samples as they are.
"""

from __future__ import annotations

import argparse
import json
import time
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness import registry
from harness.cosmo.clusters import Criterion
from harness.cosmo.quality import Quality, QualitySettings, measure
from harness.data import cache
from harness.data.base import Recordings
from harness.data.normalise import Normaliser
from harness.data.splits import split_indices
from harness.keys import seed_of
from harness.study.model import General


def training_samples(name: str, options: str, data: Path) -> tuple[Recordings, list[np.ndarray]]:
    """The recordings, and the normalised training samples of each modality under the default split."""
    plugin = registry.get("datasets", name)
    dataset = plugin(plugin.Options.from_plain(json.loads(options)))
    recordings = cache.load(dataset, data)
    rows = split_indices(recordings, General().split, dataset.default_split(recordings))["train"]
    normaliser = Normaliser.fit(recordings.arrays, rows, recordings.modalities)
    return recordings, [normaliser.apply(m.name, recordings.arrays[m.name][rows]) for m in recordings.modalities]


def rows(recordings: Recordings, arrays: Sequence[np.ndarray], asked: argparse.Namespace) -> Iterator[list[str]]:
    for components in asked.components:
        for criterion in asked.criteria:
            content = {"criterion": criterion, "components": components or None, "covariance": asked.covariance}
            settings = QualitySettings.from_plain({**content, "restarts": asked.restarts, "subsets": asked.subsets})
            bare = QualitySettings.from_plain({**settings.to_json(), "subsets": 0})
            started = time.process_time()
            if asked.subsets:
                measure(arrays, recordings.n_classes, bare, seed_of("quality", 0))
            between = time.process_time()
            seeds = [
                measure(arrays, recordings.n_classes, settings, seed_of("quality", seed)) for seed in range(asked.seeds)
            ]
            spent = f"{between - started:.1f} / {(time.process_time() - between) / asked.seeds:.1f}"
            for modality, found in zip(recordings.modalities, zip(*seeds, strict=True), strict=True):
                yield [criterion, str(components or "raw"), modality.name, *figures(found), spent]


def figures(seeds: Sequence[Quality]) -> list[str]:
    """H, k_opt, q and the weight of the first seed with their intervals, k_opt of all seeds, and in how many it is
    identified."""
    cells = []
    for name, digits in (("hopkins", 3), ("k_opt", 0), ("score", 3), ("weight", 2)):
        text = f"{getattr(seeds[0], name):.{digits}f}"
        if interval := getattr(seeds[0], f"{name}_interval"):
            text += f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"
        cells.append(text)
    ks = ", ".join(str(one.k_opt) for one in seeds)
    return [*cells, ks, f"{sum(one.identified for one in seeds)} of {len(seeds)}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--options", default="{}", help="options of the data set, as JSON")
    parser.add_argument("--criteria", nargs="+", default=typing.get_args(Criterion))
    parser.add_argument("--components", nargs="+", type=int, default=[20], help="0: raw samples")
    parser.add_argument("--covariance", default="diag")
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--subsets", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    measure([np.eye(9)], 2, QualitySettings(), 0)  # imports scikit-learn, which is not to be timed
    recordings, arrays = training_samples(asked.dataset, asked.options, asked.data)
    print(f"{asked.dataset}: {len(arrays[0])} training samples, {recordings.n_classes} classes\n")
    titles = ["Criterion", "Components", "Modality", "H", "k_opt", "q", "β", "k_opt by seed", "Identified", "CPU s"]
    print(*(f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles))), sep="\n", flush=True)
    for cells in rows(recordings, arrays, asked):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
