"""The command line, one file per group of commands. No other package imports it."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from harness import __version__, registry
from harness.cli import plugins, results
from harness.cli.console import Pdb, debugger, err, out
from harness.cli.data import data_app
from harness.cli.edge import edge_app
from harness.cli.environment import env
from harness.cli.init import init
from harness.cli.predict import predict
from harness.cli.run import run
from harness.errors import InputError, JobFailed, StudyError

UsageError: Any = typer.BadParameter.__base__  # typer raises it for wrong arguments, but exports only this subclass

app = typer.Typer(
    name="harness",
    help="Benchmarks and ablations for multimodal sensing with few labels.",
    epilog="Begin with: harness run quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
EXAMPLES: Mapping[str, tuple[Callable[..., Any], str]] = {
    "init": (init, "harness init mine.yaml --dataset arrays:mine --method deepsense --method cosmo --data ~/data"),
    "run": (run, "harness run studies/label_rate.yaml --data ~/data --set seeds=3 --set stage1.epochs=60"),
    "status": (results.status, "harness status runs/label_rate --watch"),
    "doctor": (results.doctor, "harness doctor runs/label_rate"),
    "records": (results.records, "harness records runs/label_rate --format csv > trials.csv"),
    "logs": (results.logs, "harness logs runs/label_rate 3f2a"),
    "send": (results.send, "harness send runs/label_rate --to mlflow:http://localhost:5000"),
    "report": (results.report, "harness report runs/label_rate --format html,pdf --open"),
    "compare": (results.compare, "harness compare runs/monday runs/tuesday --format html"),
    "predict": (predict, "harness predict runs/mine --method cosmo --seed 0 --data data --unlabelled --out labels.csv"),
    "env": (env, "harness env --format json"),
    "list": (plugins.list_plugins, "harness list methods"),
    "describe": (plugins.describe, "harness describe cosmo"),
}
for name, (command, example) in EXAMPLES.items():
    app.command(name=name, epilog=f"Example: {example}")(command)
for group in (plugins.study_app, data_app, edge_app):
    app.add_typer(group)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"cosmo-harness {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    pdb: Pdb = False,
) -> None:
    """Benchmarks and ablations for multimodal sensing with few labels."""


def entry() -> None:
    """Run the `harness` command.

    The exit status is 2 with one message for bad input, 130 after Ctrl-C, 1 if jobs failed or, with a traceback, if a
    plug-in did, and 70 with a traceback for a bug in the harness.
    """
    gc.set_threshold(50_000)  # what a command reads lives until it ends: looking for garbage less often saves a fifth
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale without a letter of a name must not end a run
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error has it already
    try:
        sys.exit(app(prog_name="harness", standalone_mode=False))
    except InputError as error:
        _show_error(str(error), several=isinstance(error, StudyError) and len(error.problems) > 1)
        sys.exit(2)
    except PermissionError as error:
        _show_error(f"{error.filename}: permission denied" if error.filename else str(error))
        sys.exit(2)
    except UsageError as error:
        if message := error.format_message():  # it is empty if the help has been printed instead
            _show_error(f"{message}\n    see {error.ctx.command_path} --help")
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:  # `harness records RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except JobFailed as error:
        cause = error.__cause__ or error
        _show_traceback(cause)
        err.print(f"\nfailed: {error}. Finished jobs are kept.", soft_wrap=True)
        debugger.open(cause)
        sys.exit(1)
    except Exception as error:
        place = _place_in_plugin(error)
        if not place and (package := _broken_package(error)):
            fitting = ", and on a Jetson NVIDIA's build for it" if package == "torch" else ""
            _show_error(
                f"{package} cannot be imported on this machine ({type(error).__name__}: {error}): install it in the "
                f"environment of {sys.executable}, in a version that fits the machine{fitting}"
            )
            sys.exit(2)
        _show_traceback(error)
        if place:
            text = f"\nThis error is in a plug-in, at {place}. Finished jobs are kept."
            err.print(text, soft_wrap=True)
        else:
            err.print("\nThis is a bug in the harness, not in your study. Finished jobs are kept.")
            err.print("Please report it with the text above and the output of `harness env`.")
        debugger.open(error)
        sys.exit(1 if place else 70)


def _place_in_plugin(error: BaseException) -> str:
    """The file and line of another package's plug-in that an exception comes from; empty if it is the harness's own."""
    plugins, own = registry.plugin_packages(), {"harness", *registry.COMPANIONS}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in plugins or package in own:
            return f"{frame.f_code.co_filename}:{line}" if package in plugins else ""
    return ""


def _broken_package(error: BaseException) -> str:
    """The package of others that could not be imported, such as a PyTorch without its libraries; empty if none."""
    if isinstance(error, ImportError) and error.name:
        names = [error.name]
    else:  # raised while the module was imported
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        names = [str(frame.f_globals.get("__name__")) for frame in frames if frame.f_code.co_name == "<module>"]
    own = {"harness", "__main__", *registry.COMPANIONS}
    return next((name for name in (name.partition(".")[0] for name in names) if name not in own), "")


def _show_error(text: str, several: bool = False) -> None:
    err.print("error:", style="bold red", end="\n" if several else " ")
    err.print(text, soft_wrap=True)


def _show_traceback(error: BaseException) -> None:
    """Print a traceback to standard error. Its message may hold names from files."""
    err.print("".join(traceback.format_exception(error)), end="", soft_wrap=True)
