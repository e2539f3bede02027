"""The Python interface: run a study, open the folder of a run, and read its results."""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.results.run import RunResults
from reports.cleaning import clean

if TYPE_CHECKING:
    import numpy as np

    from harness.results.records import Part
    from reports.document import Document

PathLike = str | os.PathLike[str]

SHOWN_ROWS = 12  # of the trials, in a notebook


def run(
    study: PathLike,
    *,
    data: PathLike | None = None,
    out: PathLike | None = None,
    overrides: Mapping[str, Any] | None = None,
    inline: bool = False,
    address: str | None = None,
    quiet: bool = False,
    max_trials: int = 100_000,
    log: Sequence[str] = (),
    wait_for_nodes: float | None = None,
    start_timeout: float | None = None,
    ship_code: bool = False,
) -> Run:
    """Run a study, or go on with one that was interrupted.

    This is `harness run` in Python: the same checks, the same folder, and jobs that are done are not run again.
    Ctrl-C, or the stop button of a notebook, raises KeyboardInterrupt; the jobs done until then are kept, and the same
    call goes on from there. A job that fails does not raise: see `Run.failed`.

    Args:
        study: A study's YAML file, or the name of a study that comes with the package, such as ``"quickstart"``.
        data: The folder with the data sets, zipped or unpacked. The default is the environment variable HARNESS_DATA.
        out: The folder of the run. The default is ``runs/STUDY``.
        overrides: Values that replace the study's, by dotted name, such as
            ``{"seeds": 2, "stage2.epochs": 10, "sweep": {"label_rate": [0.1, 0.3]}}``.
        inline: Run all jobs in this process, one after another, instead of on Ray.
        address: A Ray cluster, such as ``"HOST:6379"`` or ``"auto"``. The default is this machine.
        quiet: Print neither progress nor tables.
        max_trials: The most trials, with those of a search, that the study may have.
        log: Experiment trackers that the run is also logged to, such as ``["mlflow:http://localhost:5000"]``.
        wait_for_nodes: How many seconds to wait for nodes to join, if no node has the resources that a job needs.
        start_timeout: How many seconds Ray may take to start on this machine, or a node to answer. The default is 300.
        ship_code: Send this package and its plug-ins to the nodes of the cluster.

    Returns:
        The run, with the results of all jobs that are done.

    Raises:
        InputError: The study, an override or the data is wrong. The message says where, what, and what would be right.

    Examples:
        >>> run = harness.run("tiny.yaml", overrides={"seeds": 2}, inline=True, quiet=True)
        >>> run.status
        {'done': 2}
    """
    call = _call_text(**locals())
    from harness.driver import Driver, Execution
    from harness.show.console import make_console
    from harness.study.overrides import override_text

    execution = Execution(inline, address, wait_for_nodes, False, start_timeout, ship_code, list(log))
    driver = Driver.from_file(
        Path(study).expanduser(),
        Path(out).expanduser() if out else None,
        Path(folder).expanduser() if (folder := data or os.environ.get("HARNESS_DATA")) else None,
        [override_text(name, value) for name, value in (overrides or {}).items()],
        call,
        make_console(quiet=quiet),
        max_trials,
    )
    driver.run(execution)
    return open_run(driver.ledger.root)


def open_run(folder: PathLike) -> Run:
    """Open the folder of a run, finished or not.

    Args:
        folder: The folder, such as ``"runs/quickstart"``.

    Returns:
        The run as it is now. It does not change while the run goes on: open the folder again for newer results.

    Raises:
        InputError: The folder holds no run.

    Examples:
        >>> harness.open_run("runs/tiny")
        Run('runs/tiny', 2 trials: 2 done)
    """
    return Run(RunResults.open(Path(folder).expanduser()))


class Run:
    """The results of a run, read from its folder. `run` and `open_run` make one.

    Keys of jobs may be shortened to any unique beginning, as git's commits may.
    """

    def __init__(self, results: RunResults):
        self._results = results

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self._results.folder

    @property
    def trials(self) -> pd.DataFrame:
        """The table of trials, one row each.

        Returns:
            The columns that `docs/records.md` lists: ``key``, ``status``, ``dataset``, ``method``, ``seed``, one column
            for each option swept or searched, ``accuracy``, ``macro_f1`` … Figures are NaN unless a trial is done.

        Examples:
            >>> run.trials[["dataset", "method", "seed", "status"]]
                      dataset     method  seed status
            0  fantasy-device  deepsense     0   done
            1  fantasy-device  deepsense     1   done
            >>> bool(run.trials["accuracy"].between(0, 1).all())
            True
        """
        from harness.results.table import trial_table

        return trial_table(self._results)

    @property
    def status(self) -> dict[str, int]:
        """How many trials are done, failed and pending; a state that no trial is in is left out.

        Examples:
            >>> run.status
            {'done': 2}
        """
        return {str(state): int(count) for state, count in self.trials["status"].value_counts().items()}

    @property
    def failed(self) -> pd.DataFrame:
        """The jobs that failed.

        Returns:
            One row a job, with the columns ``key``, ``job``, ``type`` and ``message``, the last two of the exception.
            `Run.log` has the traceback.

        Examples:
            >>> run.failed.empty
            True
        """
        rows = [(one.key, job.title, one.error.type, one.error.message) for job, one in self._results.failed()]
        return pd.DataFrame(rows, columns=["key", "job", "type", "message"])

    def confusion(self, key: str, *, part: Part = "test", select: str | None = None) -> pd.DataFrame:
        """The confusion matrix of a trial.

        Args:
            key: The ``key`` of a trial that is done.
            part: The samples to count: ``"test"`` or ``"validation"``.
            select: Which evaluation: ``"last"``, ``"validation"`` (the best accuracy on the validation samples) or
                ``"oracle"`` (the best on the test samples). The default is what the study selects.

        Returns:
            Counts of samples, shape (n_classes, n_classes): rows are the true classes, columns the predicted ones.

        Raises:
            InputError: There is no such job, it is not a trial that is done, or it has no samples in that part.

        Examples:
            >>> matrix = run.confusion(run.trials["key"][0])
            >>> matrix.shape
            (4, 4)
            >>> bool(matrix.to_numpy().sum() == run.trials["n_test"][0])
            True
        """
        from harness.results import artefacts

        key = self._results.find_key(key)
        counts = artefacts.confusion(self._results, key, select, part)
        dataset = next(trial.dataset for trial in self._results.plan.trials if trial.key == key)
        names = self._results.plan.data[dataset].classes or range(len(counts))
        return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))

    def predictions(self, key: str, *, part: Part = "test", select: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The true and the predicted classes of a trial, as scikit-learn's metrics take them.

        Args:
            key: The ``key`` of a trial that is done.
            part: The samples: ``"test"`` or ``"validation"``.
            select: Which evaluation, as in `Run.confusion`.

        Returns:
            Two arrays of class numbers, each of shape (n_samples,): the truth, then the predictions.

        Raises:
            InputError: As `Run.confusion`.

        Examples:
            >>> from sklearn.metrics import accuracy_score
            >>> y_true, y_pred = run.predictions(run.trials["key"][0])
            >>> bool(accuracy_score(y_true, y_pred) == run.trials["accuracy"][0])
            True
        """
        from harness.results import artefacts

        return artefacts.predictions(self._results, self._results.find_key(key), select, part)

    def predict(
        self, key: str, samples: Mapping[str, np.ndarray] | str, *, data: PathLike | None = None
    ) -> pd.DataFrame:
        """The probability of each class for recordings, by the model that a trial has kept.

        Like scikit-learn's ``predict_proba``. The study must say ``keep_models: true``. The recordings are normalised
        as in training; their windows must have the length that they had there.

        Args:
            key: The ``key`` of a trial that is done.
            samples: Modality → array (n_samples, time, ...) as recorded, not normalised; or the name of a data set as
                in a study, which may have no labels.
            data: The folder with the data set. The default is the environment variable HARNESS_DATA.

        Returns:
            Probabilities of shape (n_samples, n_classes), with the names of the classes as columns. The rows are
            numbered, or have the names of the samples of a data set.

        Raises:
            InputError: The trial has no model, or the recordings are not such as it was trained on.

        Examples:
            >>> shares = run.predict(run.trials["key"][0], "fantasy-device")
            >>> shares.idxmax(axis=1).iloc[0] in shares.columns
            True
            >>> bool(abs(shares.sum(axis=1) - 1).max() < 1e-9)
            True
        """
        from harness.results.models import find_trial, model_of
        from harness.results.predict import choose_samples, predict_arrays, predict_samples
        from harness.training.trained_model import probabilities

        trial = find_trial(self._results, key)
        model = model_of(self._results, trial)
        if isinstance(samples, str):
            folder = _optional_path(data or os.environ.get("HARNESS_DATA"))
            found = predict_samples(model, choose_samples(self._results, trial, samples, folder), folder)
            return pd.DataFrame(found.probabilities, index=pd.Index(found.columns["sample"]), columns=found.classes)
        return pd.DataFrame(probabilities(predict_arrays(model, samples, "samples")), columns=model.about.classes)

    def log(self, key: str) -> str:
        """What a job printed, its warnings, and its traceback if it failed.

        Args:
            key: The key of a job: the ``key`` or ``stage1_key`` of a trial, or a key of `Run.failed`.

        Returns:
            The text; empty if the job printed nothing, or has not ended.

        Raises:
            InputError: There is no such job.

        Examples:
            >>> run.log(run.trials["key"][0])
            ''
        """
        return self._results.log(self._results.find_key(key))

    def report(self, *formats: str, folder: PathLike | None = None) -> list[Path]:
        """Write the report of the run.

        Args:
            *formats: ``"html"``, ``"pdf"``, ``"latex"`` or ``"csv"``. The default is HTML.
            folder: Where to write it. The default is the folder of the run.

        Returns:
            One path for each format: the file to open.

        Raises:
            InputError: There is no such format, or the folder cannot be written to.

        Examples:
            >>> [path.name for path in run.report("html")]
            ['report.html']
        """
        from harness.results.gather import formats_of, write_reports

        return write_reports([self._results], formats_of(formats or ["html"]), _optional_path(folder))

    def compare(self, other: Run | PathLike) -> RunComparison:
        """Compare the run with another one: options, data, code and results.

        Args:
            other: The other run, or its folder. Differences are its figures minus this run's.

        Returns:
            The comparison. It prints itself as `harness compare` does.

        Raises:
            InputError: The folder holds no run.

        Examples:
            >>> print(run.compare("runs/tiny"))  # doctest: +ELLIPSIS
            Results
            ...
        """
        return RunComparison(self, other if isinstance(other, Run) else open_run(other))

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.status.items())
        return f"Run({str(self.folder)!r}, {len(self._results.plan.trials)} trials: {states})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the question, the state, and the first trials."""
        study, trials = self._results.study, self.trials
        shown = trials.loc[:, :"macro_f1"].head(SHOWN_ROWS)  # what each trial is, and how well it did
        states = ", ".join(f"{count} {state}" for state, count in self.status.items())
        more = f"<p>… and {len(trials) - len(shown)} more</p>" if len(trials) > len(shown) else ""
        failed = "".join(f"<p>failed: {escape(f'{row.job}: {row.message}')}</p>" for row in self.failed.itertuples())
        return clean(
            f"<div><p><strong>{escape(study.title or study.study)}</strong><br>{escape(study.question or '')}</p>"
            f"<p><code>{escape(str(self.folder))}</code>: {len(trials)} trials, {escape(states)}</p>"
            f"{shown.to_html(index=False, na_rep='', float_format='{:.3f}'.format, border=0)}{more}{failed}</div>"
        )


class RunComparison:
    """What differs between two runs. `Run.compare` makes one; printed, it is what `harness compare` prints."""

    def __init__(self, one: Run, two: Run):
        self._runs = one._results, two._results

    @cached_property
    def _document(self) -> Document:
        from harness.results.gather import comparison

        return comparison(*self._runs)

    def __repr__(self) -> str:
        from harness.show.console import PIPE_COLUMNS, CleanConsole
        from reports.formats.terminal import show_document

        text = io.StringIO()
        show_document(
            self._document, CleanConsole(file=text, width=PIPE_COLUMNS, force_jupyter=False, force_terminal=False)
        )
        return text.getvalue()

    def report(self, *formats: str, folder: PathLike | None = None) -> list[Path]:
        """Write the comparison as a report.

        Args:
            *formats: ``"html"``, ``"pdf"``, ``"latex"`` or ``"csv"``. The default is HTML.
            folder: Where to write it. The default is the folder that holds both runs.

        Returns:
            One path for each format: the file to open.

        Raises:
            InputError: There is no such format, or the folder cannot be written to.
        """
        from harness.results.gather import formats_of, write_comparison

        names = formats_of(formats or ["html"])
        return write_comparison(self._document, self._runs, names, _optional_path(folder))


def _optional_path(folder: PathLike | None) -> Path | None:
    return None if folder is None else Path(folder).expanduser()


def _call_text(study: PathLike, **given: Any) -> str:
    """A call of `run` as Python, without arguments that are left at their defaults. It is recorded with the run."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(run).parameters.items()}
    shown = {name: value for name, value in given.items() if value and value != defaults[name] and name != "quiet"}
    arguments = [repr(os.fspath(study)), *(f"{name}={_shown(value)}" for name, value in shown.items())]
    return f"harness.run({', '.join(arguments)})"


def _shown(value: Any) -> str:
    return repr(os.fspath(value)) if isinstance(value, os.PathLike) else repr(value)
