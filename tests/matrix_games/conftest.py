import importlib
import sys

import pytest


def loaded():
    return {name: module for name, module in sys.modules.items() if name.split(".")[0] == "matrix_games"}


@pytest.fixture(scope="session")
def plain():
    """The package as its users have it, without the checks of types that the tests add."""
    finders, checked = sys.meta_path[:], loaded()
    sys.meta_path[:] = [finder for finder in finders if not type(finder).__module__.startswith("jaxtyping")]
    for name in checked:
        del sys.modules[name]
    try:
        return importlib.import_module("matrix_games")
    finally:
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(checked)
        sys.meta_path[:] = finders


@pytest.fixture(scope="session")
def answer():
    """Return what a call gives, or None after it raised a ValueError of one sentence that contains `word`."""

    def call(function, word, **arguments):
        try:
            return function(**arguments)
        except ValueError as error:
            message = str(error)
            assert word in message and message.endswith(".") and "\n" not in message, message
            return None

    return call
