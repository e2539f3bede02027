"""The form of a study file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from harness.data.splits import Split
from harness.options import Options, Stage1, Stage2
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
        "should be random: an adaptive sampler draws according to which trial ends first, so the plan could not name its jobs"
    )


def _entry(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Unlabeled = (
    Literal["all", "rest"] | Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
)  # for the schema; `_unlabeled` checks it
Seeds = Annotated[int, Field(ge=1)] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]  # likewise


class General(Options):
    """The settings of a trial besides the options of its method and its data set. Each of them may be swept."""

    label_rate: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="share of the label pool that is labelled; each class gets at least one sample",
    )
    label_list: str | None = Field(
        default=None,
        description="JSON file of the names of the samples to label, instead of a draw; its path is relative to the study",
    )
    unlabeled: Annotated[Any, BeforeValidator(_unlabeled, json_schema_input_type=Unlabeled)] = Field(
        default="all",
        description="samples of stage 1: all training samples, the rest without the labelled ones, a count, or a share of all",
    )
    split: Split = Field(default=Split(), description="subjects of each part; by default those of the data set")
    stage1: Stage1 = Field(default=Stage1(), description="settings of stage 1, pre-training on unlabelled samples")
    stage2: Stage2 = Field(default=Stage2(), description="settings of stage 2, supervised training on few labels")


GENERAL_KEYS = tuple(General.model_fields)


class SharedKeys(Options):
    """The keys that may stand both in a study and in one of its data sets. Their values are checked as `General` later."""

    sweep: dict[str, Any] | None = Field(
        default=None, description="option → list of values; every combination is run and reported"
    )
    label_rate: Any = Field(default=None, description=General.model_fields["label_rate"].description)
    label_list: Any = Field(default=None, description=General.model_fields["label_list"].description)
    unlabeled: Any = Field(default=None, description=General.model_fields["unlabeled"].description)
    split: dict[str, Any] = Field(default={}, description=General.model_fields["split"].description)
    stage1: dict[str, Any] = Field(default={}, description=General.model_fields["stage1"].description)
    stage2: dict[str, Any] = Field(default={}, description=General.model_fields["stage2"].description)
    options: dict[str, dict[str, Any]] = Field(
        default={}, description="method or data set → its options; a method may also set stage1 and stage2 for itself"
    )


class DatasetEntry(SharedKeys):
    """A data set of a study, and the settings that differ on it from the study's."""

    name: str = Field(description="name of the data set; NAME:ARGUMENT for those that take an argument")

    @property
    def plugin(self) -> str:
        """The registered name, without the argument."""
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        """What follows the colon; "" if nothing does."""
        return self.name.partition(":")[2]


class Search(Options):
    """How the hyper-parameters of each method are tuned, by accuracy on the validation subjects, before the study's trials."""

    space: dict[str, Any] = Field(min_length=1, description="option → the distribution that its values are drawn from")
    trials: int = Field(
        default=16, ge=1, description="configurations that are drawn for each method, data set and point of the sweep"
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        description="seed of the draws and of the training of each; by default the study's first seed",
    )
    sampler: Annotated[Literal["random"], BeforeValidator(_sampler)] = Field(
        default="random", description="how configurations are chosen: each is drawn independently"
    )
    scheduler: Literal["none", "asha"] = Field(default="none", description="asha stops the worse trials early")
    grace_period: int = Field(default=1, ge=1, description="epochs of stage 2 before asha may stop a trial")
    reduction_factor: float = Field(
        default=4, gt=1, description="at each of its rungs, asha keeps one trial in so many"
    )


class StudyFile(SharedKeys):
    """A study: a question, and what is compared to answer it."""

    study: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,80}$", description="name of the study, and of its folder below runs/"
    )
    title: str = Field(default="", description="title of the report")
    question: str = Field(default="", description="the question that the study answers, for the report")
    datasets: list[Annotated[DatasetEntry, BeforeValidator(_entry, json_schema_input_type=str | DatasetEntry)]] = Field(
        min_length=1, description="the data sets: names, or mappings of a name and the settings that differ"
    )
    methods: list[str] = Field(min_length=1, description="the methods to compare")
    reference: str | None = Field(
        default=None,
        description="the method that the others are compared with; by default cosmo, or the last if it is not there",
    )
    search: Search | None = Field(default=None, description="how hyper-parameters are tuned; by default they are not")
    seeds: Annotated[list[int], BeforeValidator(_seeds, json_schema_input_type=Seeds)] = Field(
        default=[0, 1, 2, 3, 4], description="the seeds to run each trial with: a list, or a number N for 0 to N - 1"
    )
    select: Literal["last", "validation", "oracle"] = Field(
        default="last",
        description="the evaluation that is reported: of the last epoch, the best on the validation samples, or the best on the "
        "test samples, which is too optimistic",
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of each job")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="the processor that jobs train on")
    retries: int = Field(default=1, ge=0, description="how often a job is started again whose process or node died")
    edge: Edge | None = Field(default=None, description="which trials are measured on which devices; by default none")

    @property
    def search_seed(self) -> int:
        """The seed that a search's trials are drawn and trained with."""
        return self.seeds[0] if self.search is None or self.search.seed is None else self.search.seed

    def sweep_of(self, entry: DatasetEntry) -> dict[str, Any]:
        """Option → the values swept on a data set; its own sweep replaces that of the study."""
        return dict((self.sweep or {}) if entry.sweep is None else entry.sweep)
