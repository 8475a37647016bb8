"""The sandbox, where there is one."""

import pytest

from qmix_edu.grading.sandbox import in_bubblewrap, sandbox_problem, without_sandbox


@pytest.fixture(scope="session")
def no_sandbox() -> str | None:
    """Why there is no sandbox here, or None."""
    return sandbox_problem()


@pytest.fixture
def walled(no_sandbox):
    """The sandbox; the test is skipped where there is none."""
    if no_sandbox:
        pytest.skip(f"no sandbox: {no_sandbox}")
    return in_bubblewrap


@pytest.fixture
def any_wall(no_sandbox):
    """The sandbox where there is one, else what stands in for it when a teacher asks for that."""
    return without_sandbox if no_sandbox else in_bubblewrap
