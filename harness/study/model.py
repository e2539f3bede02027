"""The shape of a study file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from harness.data.splits import Split
from harness.options import Options, Positive, Stage1, Stage2
from harness.study.edge import Edge


def _unlabeled(value: Any) -> Any:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value <= 1
    if value in ("all", "rest") or count or share:
        return value
    raise ValueError("should be all, rest (without the labelled samples), a count from 1 up or a share such as 0.5")


def _seeds(value: Any) -> Any:
    def whole(number: Any, least: int) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and number >= least

    if whole(value, 1):
        return list(range(value))
    if isinstance(value, list) and value and all(whole(seed, 0) for seed in value) and len(set(value)) == len(value):
        return value
    raise ValueError("should be a number of seeds from 1 up, or a list of different whole numbers from 0 up")


def _sampler(value: Any) -> Any:
    if value == "random":
        return value
    raise ValueError(
        "should be random; what a sampler that adapts draws depends on which trial ends first, so no plan could name it"
    )


def _entry(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class General(Options):
    """What a trial is asked besides its method's and its data set's own options. Each may be swept.

    label_rate: share of the label pool that is labelled, at least one sample a class. label_list: a JSON file (its path
    beside the study's) of sample names to label instead. unlabeled: ``all`` training samples without their labels,
    ``rest`` without the labelled ones, or a count or a share of all. split: subjects by part; None is the data set's own.
    """

    label_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    label_list: str | None = None
    unlabeled: Annotated[Any, BeforeValidator(_unlabeled)] = "all"
    split: Split = Split()
    stage1: Stage1 = Stage1()
    stage2: Stage2 = Stage2()


GENERAL_KEYS = tuple(General.model_fields)


class Asking(Options):
    """The keys that may stand both in a study and in one of its data sets. Values are held against `General` later."""

    sweep: dict[str, Any] | None = None
    label_rate: Any = None
    label_list: Any = None
    unlabeled: Any = None
    split: dict[str, Any] = Field(default_factory=dict)
    stage1: dict[str, Any] = Field(default_factory=dict)
    stage2: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)


class DatasetEntry(Asking):
    """One data set of a study, by name or with what it sets differently from the study."""

    name: str

    @property
    def plugin(self) -> str:
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        return self.name.partition(":")[2]


class Search(Options):
    """How each method's hyper-parameters are tuned, by accuracy on the validation subjects, before the study's own trials.

    space: option → distribution, see `harness.study.space`. trials: how many configurations are drawn for each method, data
    set and point of the sweep. seed: names the draws, and each is trained with it; None is the study's first. scheduler: asha
    stops the worse part of the trials early; grace_period (epochs) and reduction_factor are Tune's.
    """

    space: Annotated[dict[str, Any], Field(min_length=1)]
    trials: Positive = 16
    seed: Annotated[int, Field(ge=0)] | None = None
    sampler: Annotated[Literal["random"], BeforeValidator(_sampler)] = "random"
    scheduler: Literal["none", "asha"] = "none"
    grace_period: Positive = 1
    reduction_factor: Annotated[float, Field(gt=1)] = 4


class StudyFile(Asking):
    """A study file's outline."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,80}$")]
    title: str = ""
    question: str = ""
    datasets: Annotated[list[Annotated[DatasetEntry, BeforeValidator(_entry)]], Field(min_length=1)]
    methods: Annotated[list[str], Field(min_length=1)]
    search: Search | None = None
    seeds: Annotated[list[int], BeforeValidator(_seeds)] = Field(default_factory=lambda: [0, 1, 2, 3, 4])
    select: Literal["last", "validation", "oracle"] = "last"
    threads: Positive = 1
    device: Literal["cpu", "cuda"] = "cpu"
    retries: Annotated[int, Field(ge=0)] = 1
    edge: Edge | None = None

    @property
    def search_seed(self) -> int:
        """The seed that a search's trials are drawn and trained with."""
        return self.seeds[0] if self.search is None or self.search.seed is None else self.search.seed

    def sweep_of(self, entry: DatasetEntry) -> dict[str, Any]:
        """Option → values swept on one data set; its own sweep wins over the study's."""
        return dict((self.sweep or {}) if entry.sweep is None else entry.sweep)
