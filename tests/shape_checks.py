"""The type checker of the tests: every call of the packages checks the shapes that its signature names."""

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from beartype import beartype
from beartype.roar import BeartypeDecorHintException


def annotated(function: FunctionType, annotations: dict[str, Any]) -> FunctionType:
    """Return a copy of `function` with these annotations alone."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(copy, function)
    copy.__annotations__ = annotations
    return copy


def is_checkable(function: FunctionType, name: str) -> bool:
    """Return whether the annotation of `name` can be checked at all: `Self` and most protocols cannot."""
    try:
        beartype(annotated(function, {name: function.__annotations__[name]}))
    except BeartypeDecorHintException:
        return False
    return True


def checked(function: Any) -> Callable[..., Any]:
    """Return `function` with its arguments and result checked, as far as they can be."""
    try:
        return beartype(function)
    except BeartypeDecorHintException:
        names = [name for name in function.__annotations__ if is_checkable(function, name)]
        return beartype(annotated(function, {name: function.__annotations__[name] for name in names}))
