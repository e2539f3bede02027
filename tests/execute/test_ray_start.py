"""A Ray that can't start is one message, and a temporary folder with a long name is no reason for it."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.errors import InputError
from harness.execute.ray_tune import RayExecutor, _short_folder


def job() -> Mock:
    return Mock(workers=1, threads=1, gpus=0, content={"device": "cpu"})


@pytest.mark.parametrize(
    "error", [OSError("AF_UNIX path too long"), ValueError("x\ny"), Exception("timed out"), TimeoutError()]
)
def test_a_ray_that_does_not_start_is_one_message(error: Exception) -> None:
    ray = Mock()
    ray.is_initialized.return_value = False
    ray.init.side_effect = error
    with (
        pytest.raises(InputError, match=r"Ray does not start on this machine .*--inline"),
        RayExecutor(perform=Mock())._connected(ray, [job()], Mock()),
    ):
        pass
    ray.shutdown.assert_called_once()


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_the_session_of_ray_has_a_short_folder(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    assert _short_folder(Mock()) is None
    (long := tmp_path / ("a" * 60)).mkdir()
    monkeypatch.setenv(variable, str(long))
    monkeypatch.setattr("tempfile.tempdir", None)
    observer = Mock()
    folder = _short_folder(observer)
    assert folder is not None
    assert len(folder) < 40
    assert str(long) in observer.note.call_args.args[0]
