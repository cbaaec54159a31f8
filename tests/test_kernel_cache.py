"""Kernels are compiled once: ahead, or at the first start; later processes load them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from examples.server import running_server
from service import kernel_cache, shipped_kernels
from service.__main__ import main
from service.cpu_levels import CpuLevel
from service.errors import Unavailable

HIGHER = CpuLevel("higher", frozenset())


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.nb*")}


@pytest.mark.slow
def test_kernels_are_compiled_into_the_folder_and_loaded_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    command = [sys.executable, "-m", "service", "compile", str(folder)]
    told = {**os.environ, "NUMBA_DEBUG_CACHE": "1"}
    several = [subprocess.Popen(command, env=told, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    saved = [line for one in several for line in one.communicate(timeout=300)[0].splitlines() if "data saved" in line]
    assert [one.returncode for one in several] == [0, 0, 0]
    assert len(saved) == len(set(saved)), "two processes compiled the same kernel"
    compiled = files(folder)
    assert any("roll_out" in name for name in compiled)
    assert any("run_batches" in name for name in compiled)
    subprocess.run(command, check=True, timeout=300)
    assert files(folder) == compiled


def test_what_another_process_compiles_is_loaded_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    loaded, other = [], ExitStack()

    def load_contexts() -> None:
        loaded.append("contexts")
        other.close()

    warm_ups = {"methods": lambda: loaded.append("methods"), "contexts": load_contexts}
    monkeypatch.setattr("service.forecasting.kernel_warm_up.WARM_UPS", warm_ups)
    # A lock belongs to a file that is open, so that one process can stand for two.
    other.enter_context(kernel_cache._locked("methods"))
    kernel_cache._warm_once("methods", "contexts")
    assert loaded == ["contexts", "methods"]
    kernel_cache._warm_once("methods", "contexts")
    assert loaded[2:] == ["methods", "contexts"]


def test_kernels_of_each_processor_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    here = kernel_cache._mark()
    monkeypatch.setattr("numba.core.config.CPU_NAME", "haswell")
    assert kernel_cache._mark() == tmp_path / "compiled-haswell" != here


def test_kernels_are_forgotten_when_a_source_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba would keep a kernel that calls another one, in another file, as that was before."""
    sources, folder = tmp_path / "sources", tmp_path / "cache"
    (sources / "networks" / "kernels").mkdir(parents=True)
    (folder / "kernels").mkdir(parents=True)
    (sources / "compilation.py").write_text("0")
    (sources / "networks" / "kernels" / "inner.py").write_text("1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    monkeypatch.setattr(kernel_cache, "_FORECASTING", sources)
    kernel_cache.forget_stale_kernels()
    kernel = folder / "kernels" / "outer.nbi"
    kernel.write_text("compiled")
    kernel_cache.forget_stale_kernels()
    assert kernel.exists()
    for source in ("networks/kernels/inner.py", "compilation.py"):
        kernel.write_text("compiled")
        (sources / source).write_text("2")
        kernel_cache.forget_stale_kernels()
        assert not kernel.exists()


def test_without_a_folder_the_kernels_of_each_package_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = [tmp_path / package / "kernels" / "__pycache__" / "outer.nbi" for package in ("networks", "methods")]
    for kernel in kernels:
        kernel.parent.mkdir(parents=True)
        kernel.write_text("compiled")
        (kernel.parents[1] / "outer.py").write_text("1")
    (tmp_path / "compilation.py").write_text("1")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kernel_cache, "_FORECASTING", tmp_path)
    kernel_cache.forget_stale_kernels()
    assert not any(kernel.exists() for kernel in kernels)


def test_every_module_with_a_kernel_is_a_source_of_kernels() -> None:
    sources = kernel_cache.kernel_sources()
    assert len(sources) > 10
    for path in (Path(kernel_cache.__file__).parent).rglob("*.py"):
        if re.search(r"\bn?jit\(|^@(compiled|part|inlined)|^@intrinsic", path.read_text(), re.MULTILINE):
            assert path in sources, path


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    kernel_cache.forget_stale_kernels()


def test_a_folder_to_compile_into_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "before")
    (tmp_path / "file").write_text("in the way")
    assert main(["compile", str(tmp_path / "file" / "kernels")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/file/kernels: Not a directory\n"
    # Stale kernels are looked for where numba keeps them.
    assert os.environ["NUMBA_CACHE_DIR"] == "before"


def test_a_processor_without_a_level_cannot_compile_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped_kernels, "supported_levels", list)
    assert main(["compile", "--levels", str(tmp_path / "kernels")]) == 2
    assert capsys.readouterr().err == "this processor supports no level that kernels are shipped for\n"


@pytest.mark.process
def test_a_server_whose_kernels_cannot_be_kept_starts_and_tells(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = str(tmp_path / "file" / "kernels")
    log = tmp_path / "log"
    with running_server(tmp_path / "store", {"FORECAST_KERNEL_CACHE": folder}, log):
        assert f"FORECAST_KERNEL_CACHE: {folder} cannot keep compiled kernels (Not a directory)" in log.read_text()


@pytest.mark.process
def test_all_kernels_of_a_server_are_kept_where_the_setting_says(tmp_path: Path) -> None:
    look = """
import sys
from service.__main__ import _with_settings

def tell(settings):
    import service.forecasting.kernel_warm_up
    kernels = [one for name in list(sys.modules) if name.startswith("service.forecasting.") and ".kernels." in name
               for one in vars(sys.modules[name]).values() if hasattr(one, "_cache")]
    for one in kernels:
        print(getattr(one._cache, "cache_path", None))
    return 0

_with_settings(tell)
"""
    told = {**os.environ, "FORECAST_KERNEL_CACHE": str(tmp_path / "kernels")}
    places = subprocess.run([sys.executable, "-c", look], env=told, capture_output=True, text=True, check=True).stdout
    kept = [place for place in places.splitlines() if place != "None"]
    assert len(kept) > 10
    assert all(place.startswith(str(tmp_path / "kernels")) for place in kept)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shipped kernels of one CPU level, the only one of this processor."""
    level = CpuLevel("level", frozenset())
    monkeypatch.setattr(kernel_cache, "cpu_levels", lambda: [HIGHER, level])
    monkeypatch.setattr(kernel_cache, "supported_levels", lambda: [level])
    monkeypatch.setattr(kernel_cache, "SHIPPED", tmp_path / "shipped")
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    for name in ("higher", "level"):
        (tmp_path / "shipped" / name).mkdir(parents=True)
        (tmp_path / "shipped" / name / "kernel.nbi").write_text(name)
    return tmp_path / "shipped"


@pytest.mark.usefixtures("shipped")
def test_an_empty_cache_starts_with_the_shipped_kernels_of_the_cpu_level(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    kernel_cache.use_kernel_cache(str(cache))
    assert os.environ["NUMBA_CACHE_DIR"] == str(cache / "level")
    assert (os.environ["NUMBA_CPU_NAME"], os.environ["NUMBA_CPU_FEATURES"]) == ("level", "")
    assert [str(path.relative_to(cache)) for path in cache.rglob("*.nbi")] == ["level/kernel.nbi"]
    (cache / "level" / "kernel.nbi").write_text("newer")
    kernel_cache.use_kernel_cache(str(cache))  # as a process that inherits the variables
    assert os.environ["NUMBA_CACHE_DIR"] == str(cache / "level")
    assert (cache / "level" / "kernel.nbi").read_text() == "newer"


@pytest.mark.usefixtures("shipped")
def test_the_shipped_kernels_of_another_level_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "higher")
    kernel_cache.use_kernel_cache(str(tmp_path / "cache"))
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "cache" / "higher")
    assert os.environ["NUMBA_CPU_FEATURES"] == ""


@pytest.mark.parametrize("chosen", [{"NUMBA_CPU_NAME": "znver4"}, {"NUMBA_CPU_FEATURES": "+avx2"}], ids=str)
@pytest.mark.usefixtures("shipped")
def test_for_another_processor_kernels_are_compiled(
    chosen: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    kernel_cache.use_kernel_cache(str(tmp_path / "cache"))
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert {name: os.environ.get(name) for name in chosen} == chosen


def test_a_level_without_shipped_kernels_is_passed_over(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_cache, "supported_levels", lambda: [HIGHER, CpuLevel("level", frozenset())])
    (shipped / "higher").rename(tmp_path / "elsewhere")
    kernel_cache.use_kernel_cache(str(tmp_path / "cache"))
    assert os.environ["NUMBA_CPU_NAME"] == "level"


def test_code_and_home_that_are_read_only_leave_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, code, temporary = tmp_path / "home", tmp_path / "code", tmp_path / "temporary"
    temporary.mkdir()
    for one in (home, code):
        one.write_text("in the way of a folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(kernel_cache, "_caches", lambda: [code / "__pycache__"])
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    kernel_cache.use_kernel_cache(None)
    (folder,) = temporary.iterdir()
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder / "kernels")
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    folder.chmod(0o777)  # code that others may have written must not be loaded
    with pytest.raises(Unavailable, match="set FORECAST_KERNEL_CACHE to one that can be written"):
        kernel_cache.use_kernel_cache(None)
    home.unlink()
    kernel_cache.use_kernel_cache(None)
    assert os.environ["NUMBA_CACHE_DIR"] == str(home / ".cache" / "forecast-service" / "kernels")


def test_without_a_folder_numba_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "before")
    kernel_cache.use_kernel_cache(None)
    assert os.environ["NUMBA_CACHE_DIR"] == "before"
