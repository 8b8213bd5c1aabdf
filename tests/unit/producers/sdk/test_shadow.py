"""A host's module with the name of one of our packages is named, with the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from producers.sdk.shadow import refuse_shadows

_TRY = "import sys; sys.path.insert(0, sys.argv[1]); {before}; import producers.sdk"


def _import_with(folder: Path, before: str = "pass") -> str:
    command = [sys.executable, "-c", _TRY.format(before=before), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


@pytest.mark.parametrize("name", ["schemas", "infra"])
def test_a_module_of_the_host_that_hides_ours_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise AssertionError('nobody runs this')")
    told = _import_with(tmp_path)
    assert told.startswith("ImportError: ")
    assert str(tmp_path / f"{name}.py") in told
    assert f"hides fleetpulse's package '{name}'" in told
    assert "Rename yours" in told
    assert f"sys.path[0] is '{tmp_path}'" in told


def test_a_package_that_was_imported_before_is_named(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").touch()
    assert f"{tmp_path}/schemas" in _import_with(tmp_path, "import schemas")


@pytest.mark.parametrize("name", ["producers", "schemas", "infra"])
def test_a_folder_without_init_hides_nothing(tmp_path: Path, name: str) -> None:
    """A regular package anywhere on the path wins over it, and an editable install's modules are found besides."""
    (tmp_path / name).mkdir()
    assert _import_with(tmp_path) == ""
    assert _import_with(tmp_path, f"import {name}") == ""


def test_ours_are_ours() -> None:
    refuse_shadows()
