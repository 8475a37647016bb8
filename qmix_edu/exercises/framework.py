"""The machinery of the answer checks: what a student's function returned, and what its mistake is called."""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from .record import remember

Status = Literal["not started", "wrong", "correct"]
Student = Callable[..., Any]
LONGEST = 40  # numbers of an array that a message shows


@dataclass(frozen=True)
class Result:
    """What a check found; its last line in a cell shows it to the student.

    ``status`` is "not started", "wrong" or "correct"; ``misconception`` is the mistake's name when wrong, and
    ``hint`` the number of the hint to ask for.
    """

    exercise: str
    status: Status
    message: str
    misconception: str | None = None
    hint: int | None = None

    def __repr__(self) -> str:
        name = f" ({self.misconception})" if self.misconception else ""
        more = f" Stuck? Run check_{self.exercise}.hint({self.hint})" if self.hint else ""
        return f"{self.status}{name}: {self.message}{more}"

    def _repr_markdown_(self) -> str:
        name = f" – *{self.misconception}*" if self.misconception else ""
        more = f" Stuck? Run `check_{self.exercise}.hint({self.hint})`." if self.hint else ""
        return f"**{self.status.capitalize()}{name}:** {self.message}{more}"


@dataclass(frozen=True)
class Note:
    """A sentence shown to the student: a hint, or what came of a prediction."""

    title: str
    text: str

    def __repr__(self) -> str:
        return f"{self.title}: {self.text}"

    def _repr_markdown_(self) -> str:
        return f"**{self.title}:** {self.text}"


class Wrong(Exception):
    """Raised inside a check: the answer is wrong, the mistake has this name, and this hint helps."""

    def __init__(self, misconception: str, sentence: str, hint: int = 1) -> None:
        super().__init__(sentence)
        self.misconception, self.sentence, self.hint = misconception, sentence, hint


@dataclass(frozen=True)
class Misconception:
    """A mistake that can be recognised: ``model`` computes what someone who makes it would answer."""

    name: str
    sentence: str
    model: Callable[..., Any]
    hint: int = 1


class _NotStarted(Exception):
    """The student's function still raises NotImplementedError."""


class Check:
    """One exercise: call it with the student's function, or ask for ``hint(1)`` to ``hint(4)``."""

    def __init__(self, body: Callable[..., str], chapter: str, hints: Sequence[str]) -> None:
        if not body.__name__.startswith("check_"):
            raise ValueError(f"a check is named check_<the student's function>, not {body.__name__!r}; rename it")
        if len(hints) != 3:
            raise ValueError(f"{body.__name__} has {len(hints)} hints; give three: small, bigger, and what to expect")
        self.exercise = body.__name__.removeprefix("check_")
        self.chapter = chapter
        self.__doc__ = body.__doc__
        self._body = body
        self._hints = tuple(hints)

    def __call__(self, *answers: Any) -> Result:
        """Check the student's function (or functions) and remember the result; never raises for a wrong answer."""
        result = self._result(*answers)
        remember(self.chapter, self.exercise, result.status)
        return result

    def _result(self, *answers: Any) -> Result:
        try:
            if any(answer is ... for answer in answers):
                raise _NotStarted
            message = self._body(*(_guarded(a) if callable(a) else a for a in answers))
        except _NotStarted:
            return Result(self.exercise, "not started", f"write `{self.exercise}`, then run this cell again.")
        except Wrong as wrong:
            return Result(self.exercise, "wrong", wrong.sentence, wrong.misconception, wrong.hint)
        except TypeError as error:
            if all(map(callable, answers)) or not str(error).endswith("is not callable"):
                raise
            sentence = f"give the check `{self.exercise}` itself, without brackets after it: it is called in here."
            return Result(self.exercise, "wrong", sentence, "not a function", 1)
        return Result(self.exercise, "correct", message)

    def hint(self, number: int = 1) -> Note:
        """Show a hint: 1 a hint, 2 a bigger one, 3 what to expect, 4 where the solution is."""
        titles = ("Hint", "Bigger hint", "What to expect", "Solution")
        copy = f"solutions/{self.chapter}.ipynb"
        solution = (
            f"`{self.exercise}` is written out in [{copy}]({copy}); where that is missing, your teacher has it. "
            "Read it, close it, and write it again from memory."
        )
        if number not in (1, 2, 3, 4):
            raise ValueError(f"there is no hint {number!r}; ask for hint 1, 2, 3 or 4")
        return Note(titles[number - 1], (*self._hints, solution)[number - 1])

    def __repr__(self) -> str:
        return f"<check of {self.exercise}: check_{self.exercise}({self.exercise})>"


def check(chapter: str, *, hints: Sequence[str]) -> Callable[[Callable[..., str]], Check]:
    """Make a check of a function: see the example in ``qmix_edu.exercises``.

    ``chapter`` is the notebook's name without ``.ipynb``; ``hints`` are three: a hint, a bigger one, and the
    picture or numbers to expect. The fourth, where the solution is, is added.
    """
    return lambda body: Check(body, chapter, hints)


def _guarded(student: Student) -> Student:
    """Call the student's function on copies of its input, and turn what goes wrong into one sentence."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            answer = student(*copy.deepcopy(args), **copy.deepcopy(kwargs))
        except NotImplementedError as error:
            raise _NotStarted from error
        except Exception as error:
            raise Wrong("your function stopped with an error", _explain(student, error, args)) from error
        if answer is None:
            raise Wrong("nothing returned", "your function ends without a `return`, so its answer is None.", hint=1)
        return answer

    return call


def _explain(student: Student, error: Exception, args: tuple[Any, ...]) -> str:
    code = getattr(student, "__code__", None)
    line = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if code and (frame.filename, frame.name) == (code.co_filename, code.co_name):
            line = f", in its line {(frame.lineno or 0) - code.co_firstlineno + 1},"
    given = ", ".join(map(_given, args)) or "nothing"
    return f"called with {given}{line} it raised {type(error).__name__}: {error}."


def show(value: Any) -> str:
    """Write a value in one short line: ``[[1, 0], [0, 2.5]]``."""
    if callable(value):
        return getattr(value, "__name__", "a function")
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(map(show, sorted(cast("set[Any]", value)))) + "}"
    if isinstance(value, tuple):
        parts = [show(part) for part in cast("tuple[Any, ...]", value)]
        return f"({parts[0]},)" if len(parts) == 1 else "(" + ", ".join(parts) + ")"
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim > 0):
        return "[" + ", ".join(map(show, cast("list[Any]", value))) + "]"
    if isinstance(value, (float, np.floating)):
        return f"{float(cast('float', value)):.4g}"
    return str(cast("object", value))


def _given(value: Any) -> str:
    """Write an input as ``show`` does, and an array that nobody would read to its end by its shape and its begin."""
    if isinstance(value, np.ndarray) and value.size > LONGEST:
        array = cast("NDArray[Any]", value)
        return f"an array of shape {array.shape} that begins {', '.join(map(show, array.ravel()[:3]))}, …"
    return show(value)


def same(answer: Any, right: Any, tolerance: float = 1e-6) -> bool:
    """Whether two answers agree: numbers and arrays within ``tolerance``, sets and truth values exactly."""
    try:
        if isinstance(right, (set, frozenset)):
            return {_plain(v) for v in answer} == {_plain(v) for v in cast("set[Any]", right)}
        if isinstance(right, (bool, np.bool_)):
            return isinstance(answer, (bool, np.bool_)) and (not answer) == (not right)
        if isinstance(answer, (bool, np.bool_)):
            return False
        got, expected = np.asarray(answer, dtype=float), np.asarray(right, dtype=float)
        return got.shape == expected.shape and bool(np.allclose(got, expected, rtol=tolerance, atol=tolerance))
    except (TypeError, ValueError):
        return False


def _plain(value: Any) -> Any:
    """Turn numpy integers, and lists or tuples of them, into what a set can compare."""
    array = np.asarray(value)
    return tuple(array.tolist()) if array.ndim else array.item()


def diagnose(
    student: Student,
    cases: Iterable[tuple[Any, ...]],
    right: Callable[..., Any],
    misconceptions: Sequence[Misconception] = (),
    agree: Callable[[Any, Any], bool] = same,
) -> None:
    """Compare with ``right`` on every case; raise ``Wrong`` with the mistake that explains *all* the answers.

    The misconceptions are tried in order; after them an answer that never changes is called constant, and any
    other mistake is shown by the shortest case, written out, that it gets wrong.
    """
    cases = list(cases)
    answers = [student(*case) for case in cases]
    truths = [right(*case) for case in cases]
    failed = [i for i in range(len(cases)) if not agree(answers[i], truths[i])]
    if not failed:
        return
    for mistake in misconceptions:
        if all(agree(answer, mistake.model(*case)) for answer, case in zip(answers, cases, strict=True)):
            raise Wrong(mistake.name, mistake.sentence, mistake.hint)
    if len({show(a) for a in answers}) == 1 and len({show(t) for t in truths}) > 1:
        raise Wrong("a constant", f"your function answers {show(answers[0])} whatever it is given.")
    first = min(failed, key=lambda i: sum(len(show(part)) for part in cases[i]))
    given = ", ".join(map(_given, cases[first]))
    raise Wrong(
        "not yet",
        f"for {given} your function returns {show(answers[first])}; it should be {show(truths[first])}.",
    )


def wrong(misconception: str, sentence: str, hint: int = 1) -> NoReturn:
    """Reject the answer: the mistake's name, one sentence, and the hint to ask for."""
    raise Wrong(misconception, sentence, hint)


def table(answer: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Return the answer as a table of finite numbers of this shape, or reject it by name."""
    try:
        array = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        wrong("not a table", f"{what} should be an array of shape {shape}, and is {show(answer)}.")
    if array.shape != shape:
        wrong("another shape", f"{what} should have shape {shape}; yours has shape {array.shape}.")
    if not np.isfinite(array).all():
        wrong("not finite", f"{what} has an entry that is not a finite number: {show(array)}.")
    return array


def random_payoffs(count: int, shape: tuple[int, ...] = (3, 3), seed: int = 0) -> list[NDArray[np.float64]]:
    """Draw payoff tables with entries from -10.0 to 10.0, to one decimal."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-100, 101, size=shape) / 10 for _ in range(count)]


def reveal(predicted: object, found: object, because: str) -> Note:
    """Put a prediction beside what was found; ``...`` means that none was written."""
    if predicted is ...:
        return Note("No prediction yet", "write one above (a guess will do) and run this cell again.")
    agrees = predicted == found or same(predicted, found, 0.005)
    title = "As you predicted" if agrees else f"You predicted {show(predicted)}"
    return Note(title, f"it is {show(found)}. {because}")


def steps(full: int, fast: int) -> int:
    """Return ``full``, or ``fast`` where the environment variable QMIX_EDU_FAST is 1, as in the tests."""
    return fast if os.environ.get("QMIX_EDU_FAST") == "1" else full
