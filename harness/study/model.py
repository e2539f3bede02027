"""The structure of a study file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from harness.data.folds import Folds
from harness.data.splits import Split
from harness.options import GpuCount, Options, Stage1, Stage2
from harness.study.edge import Edge

MAX_SEEDS = 1_000_000


def _unlabeled(value: Any) -> Any:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value <= 1
    if value in ("all", "rest") or count or share:
        return value
    raise ValueError(
        "should be all, rest (all but the labelled samples), a count of at least 1, or a fraction such as 0.5"
    )


def _seeds(value: Any) -> Any:
    def whole(number: Any, least: int) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and number >= least

    if whole(value, 1):
        if value > MAX_SEEDS:
            raise ValueError(f"should be at most {MAX_SEEDS:,} seeds")
        return list(range(value))
    if isinstance(value, list) and value and all(whole(seed, 0) for seed in value) and len(set(value)) == len(value):
        return value
    raise ValueError("should be a number of seeds, at least 1, or a list of distinct integers, at least 0")


def _search_seeds(value: Any) -> Any:
    _seeds(value)
    return value


def _sampler(value: Any) -> Any:
    if value == "random":
        return value
    raise ValueError(
        "should be random: the draws of an adaptive sampler depend on which trial ends first, "
        "so the plan could not list its jobs"
    )


def _section(value: Any) -> Any:
    return {} if value is None else value


def as_entry(value: Any) -> Any:
    """The entry of a data set that is given by its name alone."""
    return {"name": value} if isinstance(value, str) else value


# only for the schema: `_unlabeled` and `_seeds` check the values
Unlabeled = Literal["all", "rest"] | Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
Section = Annotated[dict[str, Any], BeforeValidator(_section, json_schema_input_type=dict[str, Any] | None)]
Seeds = Annotated[int, Field(ge=1)] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class General(Options):
    """The settings of a trial other than the options of its method and data set. Each of them can be swept."""

    label_rate: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="fraction of the label pool that is labelled; each class gets at least one sample",
    )
    labels: int | None = Field(
        default=None,
        ge=1,
        description="number of labelled samples, instead of label_rate; each class gets at least one",
    )
    labels_per_class: int | None = Field(
        default=None, ge=1, description="number of labelled samples of each class, instead of label_rate"
    )
    label_list: str | None = Field(
        default=None,
        description="JSON file with the names of the samples to label, instead of a random draw; "
        "the path is relative to the study",
    )
    validation_labels: int | None = Field(
        default=None,
        ge=1,
        description="number of validation samples with a label, which a search or select: validation chooses by; "
        "by default all",
    )
    unlabeled: Annotated[Any, BeforeValidator(_unlabeled, json_schema_input_type=Unlabeled)] = Field(
        default="all",
        description="samples of stage 1: all training samples, the rest (all but the labelled ones), a count, "
        "or a fraction of all",
    )
    split: Split = Field(default=Split(), description="subjects of each part; by default those defined by the data set")
    stage1: Stage1 = Field(default=Stage1(), description="settings of stage 1, pre-training on unlabelled samples")
    stage2: Stage2 = Field(default=Stage2(), description="settings of stage 2, supervised training on few labels")


GENERAL_KEYS = tuple(General.model_fields)


class SharedKeys(Options):
    """Keys allowed both in a study and in one of its data sets. Their values are checked later, as `General`.

    null stands for the default of a key, in a data set as well, where it replaces the study's value.
    """

    sweep: dict[str, Any] | None = Field(
        default=None, description="option → list of values; every combination is run and reported"
    )
    label_rate: Any = Field(default=None, description=General.model_fields["label_rate"].description)
    labels: Any = Field(default=None, description=General.model_fields["labels"].description)
    labels_per_class: Any = Field(default=None, description=General.model_fields["labels_per_class"].description)
    label_list: Any = Field(default=None, description=General.model_fields["label_list"].description)
    validation_labels: Any = Field(default=None, description=General.model_fields["validation_labels"].description)
    unlabeled: Any = Field(default=None, description=General.model_fields["unlabeled"].description)
    split: Section = Field(default={}, description=General.model_fields["split"].description)
    folds: Folds | None = Field(
        default=None, description="run every trial in several splits by subject, instead of in one"
    )
    stage1: Section = Field(default={}, description=General.model_fields["stage1"].description)
    stage2: Section = Field(default={}, description=General.model_fields["stage2"].description)
    options: dict[str, dict[str, Any]] = Field(
        default={}, description="method or data set → its options; a method can also have its own stage1 and stage2"
    )


class DatasetEntry(SharedKeys):
    """A data set of a study, and the settings in which it differs from the study."""

    name: str = Field(description="name of the data set; NAME:ARGUMENT for those that take an argument")

    @property
    def plugin(self) -> str:
        """The registered name, without the argument."""
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        """The part after the colon; "" if there is none."""
        return self.name.partition(":")[2]


class Search(Options):
    """How the hyper-parameters of each method are tuned before the trials, by accuracy on the validation samples."""

    space: dict[str, Any] = Field(min_length=1, description="option → distribution of its values")
    trials: int = Field(
        default=16, ge=1, description="configurations drawn for each method, data set and point of the sweep"
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        description="seed of the draws, and the first one that they are trained with; by default the first seed of the "
        "study",
    )
    seeds: Annotated[int | list[int], BeforeValidator(_search_seeds, json_schema_input_type=Seeds)] = Field(
        default=1,
        description="seeds that each configuration is trained with, and judged by their mean: a list, or a number N "
        "for seed to seed + N - 1",
    )
    refit: bool = Field(
        default=False,
        description="after the choice, train on the labelled validation samples as well",
    )
    sampler: Annotated[Literal["random"], BeforeValidator(_sampler)] = Field(
        default="random", description="how configurations are chosen: each one is drawn independently"
    )
    scheduler: Literal["none", "asha"] = Field(default="none", description="asha stops trials with low accuracy early")
    grace_period: int = Field(default=1, ge=1, description="epochs of stage 2 before asha may stop a trial")
    reduction_factor: float = Field(default=4, gt=1, description="asha keeps one in this many trials at each rung")


class StudyFile(SharedKeys):
    """A study: a question and what is compared to answer it."""

    study: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,80}$", description="name of the study and of its folder in runs/"
    )
    title: str = Field(default="", description="title of the report")
    question: str = Field(default="", description="question that the study answers, shown in the report")
    datasets: list[Annotated[DatasetEntry, BeforeValidator(as_entry, json_schema_input_type=str | DatasetEntry)]] = (
        Field(min_length=1, description="data sets: names, or mappings with a name and the settings that differ")
    )
    methods: list[str] = Field(min_length=1, description="methods to compare")
    reference: str | None = Field(
        default=None,
        description="method that the others are compared with; by default cosmo, or the last if cosmo is not listed",
    )
    search: Search | None = Field(default=None, description="how hyper-parameters are tuned; by default not at all")
    seeds: Annotated[list[int], BeforeValidator(_seeds, json_schema_input_type=Seeds)] = Field(
        default=[0, 1, 2, 3, 4], description="seeds to run each trial with: a list, or a number N for 0 to N - 1"
    )
    select: Literal["last", "validation", "oracle"] = Field(
        default="last",
        description="evaluation that is reported: of the last epoch, the best on the validation samples, "
        "or the best on the test samples, which is too optimistic",
    )
    keep_models: bool = Field(
        default=False,
        description="keep the model of each trial after its last epoch, for harness predict; no result depends on it",
    )
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of each job")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="processor that jobs train on")
    gpus_per_trial: GpuCount = Field(
        default=1,
        gt=0,
        description="GPUs that Ray reserves for each job on device: cuda; 0.25 lets four jobs share a GPU",
    )
    max_concurrent: int | None = Field(
        default=None, ge=1, description="most jobs that run at a time; by default as many as fit on the nodes"
    )
    retries: int = Field(default=1, ge=0, description="how often a job is restarted if its process or node dies")
    edge: Edge | None = Field(default=None, description="which trials are measured on which devices; by default none")

    @property
    def search_seed(self) -> int:
        """The seed of the draws of a search, and of the choice of the labelled validation samples."""
        return self.seeds[0] if self.search is None or self.search.seed is None else self.search.seed

    @property
    def search_seeds(self) -> list[int]:
        """The seeds that each draw of a search is trained with."""
        seeds = self.search.seeds if self.search else 1
        return seeds if isinstance(seeds, list) else [self.search_seed + number for number in range(seeds)]

    def sweep_of(self, entry: DatasetEntry) -> dict[str, Any]:
        """Option → its values in the sweep of a data set, which is the study's unless the entry has its own."""
        return dict((entry if "sweep" in entry.model_fields_set else self).sweep or {})

    def label_rates_of(self, entry: DatasetEntry) -> list[float]:
        """The label rates of the trials of a data set, as far as they are numbers."""
        of = entry if "label_rate" in entry.model_fields_set else self
        default = of.label_rate or General.model_fields["label_rate"].default
        swept = self.sweep_of(entry).get("label_rate", [default])
        return [rate for rate in swept if isinstance(rate, int | float)] if isinstance(swept, list) else []

    def folds_of(self, entry: DatasetEntry) -> Folds | None:
        """The folds of a data set: the study's unless the entry has its own, or a split."""
        return entry.folds if "folds" in entry.model_fields_set or entry.split else self.folds
