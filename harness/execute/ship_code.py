"""The code that a run sends to the nodes of a cluster on request: this package, and the packages of its plug-ins."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path

from harness import registry
from harness.errors import InputError


def code_to_ship() -> list[str]:
    """The folders and files of the code, for ``py_modules`` of Ray's ``runtime_env``.

    The metadata of each package goes along, because the entry points of plug-ins are found in it. What the packages
    depend on must be installed on the nodes. Raises `InputError` if the code of a plug-in cannot be found.
    """
    root = Path(__file__).resolve().parents[1]
    paths = [root, *(root.with_name(name) for name in registry.COMPANIONS)]
    with suppress(PackageNotFoundError):  # in a checkout that was never installed
        paths.append(_metadata(distribution("cosmo-harness")))
    for point in _plugins():
        paths.append(_code_of(point))
        if point.dist is not None:
            paths.append(_metadata(point.dist))
    return list(dict.fromkeys(str(path) for path in paths))


def _plugins() -> Iterable[EntryPoint]:
    return [point for kind in registry.BUILT_IN for point in entry_points(group=f"cosmo_harness.{kind}")]


def _code_of(point: EntryPoint) -> Path:
    """The folder of the package, or the file of the module, that an entry point is in."""
    name = point.module.partition(".")[0]
    spec = find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if len(folders) == 1:
        return Path(folders[0])
    if spec and spec.origin and spec.origin.endswith(".py") and not folders:
        return Path(spec.origin)
    raise InputError(
        f"--ship-code cannot send the plug-in {point.name} ({point.value}): {name} is neither one folder nor one .py"
        " file here; install it on the nodes instead"
    )


def _metadata(package: Distribution) -> Path:
    """The folder NAME-VERSION.dist-info or NAME.egg-info of an installed package."""
    for file in package.files or ():
        if file.name in ("METADATA", "PKG-INFO") and file.parent.suffix in (".dist-info", ".egg-info"):
            return Path(str(file.locate())).parent
    raise InputError(
        f"--ship-code cannot send the package {package.name}: its metadata is not a folder; install it with pip"
    )
