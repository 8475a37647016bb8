"""What holds for every test: one torch thread, compiled SMAX kept between runs, array shapes checked.

Nothing here imports torch or jax, so a test of the repository alone starts quickly.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import install_import_hook


def user_cache() -> Path:
    """Return the folder for caches of this user."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache")


# Compiling one SMAX map takes seconds; jax reads these when it is imported, so they are set before that.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(user_cache() / "qmix_edu" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# Two threads slow small networks down; torch and the notebooks' kernels read this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# The checks remember nothing, here and in the notebooks' kernels: a student's record is the student's.
os.environ["QMIX_EDU_PROGRESS"] = ""

# In the tests only: every call checks the array shapes that its signature names.
install_import_hook(["qmix_edu", "matrix_games"], "shape_checks.checked")


@pytest.fixture(scope="session")
def executed() -> Callable[[Path], Any]:
    """Return a function that executes a notebook with shortened trainings; each notebook once in a session."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    from course import execute

    memory: dict[Path, Any] = {}

    def run(path: Path) -> Any:
        if path not in memory:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("QMIX_EDU_FAST", "1")
                patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
                memory[path] = execute(path, timeout=600)
        notebook, problem = memory[path]
        assert problem == "", f"{path.name} ended with {problem}"
        return notebook

    return run
