"""`harness predict`: apply the model of a trial to recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.console import DataRoot, RunFolder, err, out
from harness.errors import InputError


def predict(
    run_folder: RunFolder,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The CSV file to write.")],
    trial: Annotated[
        Optional[str], typer.Option(metavar="KEY", help="The key of the trial, or a unique beginning of it.")
    ] = None,
    method: Annotated[Optional[str], typer.Option(help="The method of the trial, instead of its key.")] = None,
    seed: Annotated[Optional[int], typer.Option(help="The seed of the trial, instead of its key.")] = None,
    where: Annotated[
        Optional[list[str]],
        typer.Option(
            "--where", metavar="NAME=VALUE", help="A swept option, the fold or the dataset of the trial; repeatable."
        ),
    ] = None,
    dataset: Annotated[
        Optional[str], typer.Option(metavar="NAME", help="The data set to predict, by default that of the trial.")
    ] = None,
    data: DataRoot = None,
    subjects: Annotated[
        Optional[str], typer.Option(metavar="LIST", help="The subjects to predict, with commas; by default all.")
    ] = None,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Predict only the samples without a label.")] = False,
    onnx: Annotated[
        Optional[Path],
        typer.Option(metavar="FILE", help="Also write the model as ONNX, which takes recordings as they are."),
    ] = None,
) -> None:
    """Predict the classes of recordings with the model of a trial, which the study keeps with keep_models: true."""
    from harness.results.models import final_model_note, find_trial, model_of
    from harness.results.predict import choose_samples, predict_samples
    from harness.results.run import RunResults

    wanted = _wanted(method, seed, where or [])
    if trial and wanted:
        raise InputError("--trial names the trial already: leave out --method, --seed and --where")
    for option, path in (("--out", out_file), ("--onnx", onnx)):
        if path and path.is_dir():
            raise InputError(f"{path} is a folder; {option} should be the name of a file")
    results = RunResults.open(run_folder)
    found = find_trial(results, trial, wanted)
    chosen = [text.strip() for text in subjects.split(",")] if subjects else []
    model = model_of(results, found)
    samples = choose_samples(results, found, dataset, data, chosen, unlabelled)
    predictions = predict_samples(model, samples, data)
    if note := final_model_note(results, found):
        err.print(f"note: {note}", style="yellow", soft_wrap=True)
    _write(out_file, predictions.to_csv())
    counts = ", ".join(f"{name} {count}" for name, count in predictions.counts.items())
    text = f"{len(predictions.logits)} samples predicted by {found.method} ({found.key}): {counts}"
    out.print(text, soft_wrap=True)
    out.print(f"predictions: {out_file}", soft_wrap=True)
    if onnx:
        from harness.results.onnx_file import model_to_onnx

        _write(onnx, model_to_onnx(model, samples.arrays(slice(256))))
        out.print(f"model: {onnx}", soft_wrap=True)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}") from error


def _wanted(method: str | None, seed: int | None, where: list[str]) -> dict[str, str]:
    found = {} if method is None else {"method": method}
    found |= {} if seed is None else {"seed": str(seed)}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--where {text}: it should be NAME=VALUE, for example --where label_rate=0.1")
        found[name.strip()] = value.strip()
    return found
