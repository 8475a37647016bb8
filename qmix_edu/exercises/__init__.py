"""Answer checks with named failures and hints; one module per chapter, ``chapter_NN``.

What a notebook does::

    from qmix_edu.exercises import reveal, steps
    from qmix_edu.exercises.chapter_01 import check_best_responses

    def best_responses(payoff, column):          # the student's stub
        raise NotImplementedError("write best_responses")

    check_best_responses(best_responses)         # not started: write `best_responses`, ...
    check_best_responses.hint(1)                 # 1 a hint, 2 a bigger one, 3 what to expect, 4 the solution

A check never raises for a wrong answer. It returns a ``Result`` with ``status`` "not started", "wrong" or
"correct", ``misconception`` and ``hint``; it must be the last line of its cell, one check to a cell. A check
is not started when the student's function raises ``NotImplementedError``, or when the answer is ``...``.

How to write one, in ``chapter_NN.py``. Its name is ``check_`` and the name of the student's function::

    @check("01_matrix_games", hints=("A hint.", "A bigger hint.", "The numbers or the picture to expect."))
    def check_best_responses(best_responses):
        \"\"\"All rows that are best against a column.\"\"\"
        diagnose(
            best_responses,
            cases=[(payoff, 1) for payoff in random_payoffs(20)],     # random: a constant must fail
            right=lambda payoff, j: set(np.flatnonzero(payoff[:, j] == payoff[:, j].max())),
            misconceptions=[
                Misconception(
                    "the best against a random partner",
                    "you averaged over the partner's actions, but the partner's action is known.",
                    model=lambda payoff, j: {int(payoff.mean(axis=1).argmax())},
                    hint=2,
                )
            ],
        )
        return "you return every best response, ties included."

``diagnose`` covers answers that have one right value. Where many are right, test the property and call
``wrong(name, sentence, hint)``; ``table(answer, shape, what)`` checks a shape first. The student's function
runs on copies of its input; its exceptions, and a missing ``return``, become one sentence. Tests:
``tests/exercises/test_chapter_NN.py`` has, for each exercise, several wrong answers, each with the name it
must get, and two different right ones.

``reveal(predicted, found, because)`` puts a prediction (``my_prediction = ...`` until the student writes it)
beside what was found. ``steps(full, fast)`` is the length of a training: ``fast`` where QMIX_EDU_FAST=1, as
in the tests.

``progress()`` is a table of all exercises and their best status so far; see ``record.py`` for where it is kept.
"""

from .framework import (
    Check,
    Misconception,
    Note,
    Result,
    Wrong,
    check,
    diagnose,
    random_payoffs,
    reveal,
    same,
    show,
    steps,
    table,
    wrong,
)
from .overview import progress

__all__ = [
    "Check",
    "Misconception",
    "Note",
    "Result",
    "Wrong",
    "check",
    "diagnose",
    "progress",
    "random_payoffs",
    "reveal",
    "same",
    "show",
    "steps",
    "table",
    "wrong",
]
