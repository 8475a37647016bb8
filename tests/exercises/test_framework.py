"""The machinery of the answer checks, on an exercise made up here."""

from __future__ import annotations

import numpy as np
import pytest

from qmix_edu.exercises import (
    Misconception,
    check,
    diagnose,
    random_payoffs,
    reveal,
    same,
    steps,
    table,
    wrong,
)


@check("01_matrix_games", hints=("look", "look closer", "a number"))
def check_row_means(row_means):
    """The mean of every row."""
    diagnose(
        row_means,
        [(p,) for p in random_payoffs(5)],
        right=lambda p: p.mean(axis=1),
        misconceptions=[Misconception("columns for rows", "you averaged columns.", lambda p: p.mean(axis=0), hint=2)],
    )
    return "one mean per row."


def stub(payoff):
    raise NotImplementedError("write row_means")


def test_stub_and_ellipsis_are_not_started():
    assert check_row_means(stub).status == "not started"
    assert check_row_means(...).status == "not started"
    assert repr(check_row_means(stub)).startswith("not started")


def test_right_answers_of_different_types_are_correct():
    assert check_row_means(lambda p: p.mean(axis=1)).status == "correct"
    assert check_row_means(lambda p: [sum(row) / len(row) for row in p]).status == "correct"


def test_a_known_mistake_is_named_with_its_hint():
    result = check_row_means(lambda p: p.mean(axis=0))
    assert (result.status, result.misconception, result.hint) == ("wrong", "columns for rows", 2)
    assert "check_row_means.hint(2)" in repr(result)
    assert "columns for rows" in result._repr_markdown_()


def test_a_constant_fails_even_when_right_once():
    answer = random_payoffs(1)[0].mean(axis=1)
    assert check_row_means(lambda p: answer).misconception == "a constant"


def test_an_unknown_mistake_shows_its_smallest_case():
    result = check_row_means(lambda p: p.mean(axis=1) + 1)
    assert result.misconception == "not yet"
    assert "it should be [" in result.message


def test_an_error_becomes_one_sentence_with_its_line():
    def broken(payoff):
        rows = len(payoff)
        return payoff[rows]

    result = check_row_means(broken)
    assert result.misconception == "your function stopped with an error"
    assert "in its line 3, it raised IndexError" in result.message
    assert "\n" not in result.message


def test_a_call_in_place_of_the_function_is_named():
    @check("01_matrix_games", hints=("look", "look closer", "a number"))
    def check_total(total):
        """The total of one play."""
        return str(total(1))

    result = check_total(np.zeros(3))
    assert result.misconception == "not a function"
    assert "`total` itself" in result.message


def test_a_tuple_of_one_keeps_its_comma():
    @check("01_matrix_games", hints=("look", "look closer", "a number"))
    def check_count(count):
        diagnose(count, [((4,),), ((2, 3),)], right=len)
        return "the number of entries."

    assert check_count(lambda sizes: sizes[0]).message == "for (4,) your function returns 4; it should be 1."


def test_a_large_input_is_not_written_out():
    @check("01_matrix_games", hints=("look", "look closer", "a number"))
    def check_total(total):
        """The sum of the large table, and not of the small one."""
        cases = [(np.arange(60.0).reshape(6, 10), np.ones(2)), (np.zeros((6, 10)), np.ones(2))]
        diagnose(total, cases, right=lambda big, small: big.sum())
        return "the sum."

    message = check_total(lambda big, small: big[99]).message
    assert message.startswith("called with an array of shape (6, 10) that begins 0, 1, 2, …, [1, 1]")
    assert "for an array of shape (6, 10)" in check_total(lambda big, small: big[0, 1] + big.sum() + 1).message


def test_a_missing_return_is_named():
    assert check_row_means(lambda p: None).misconception == "nothing returned"


def test_the_input_cannot_be_spoilt():
    def spoiling(payoff):
        means = payoff.mean(axis=1)
        payoff[:] = 0
        return means

    assert check_row_means(spoiling).status == "correct"


def test_hints_climb_to_the_solution():
    texts = [check_row_means.hint(n).text for n in (1, 2, 3, 4)]
    assert texts[:3] == ["look", "look closer", "a number"]
    assert "solutions/01_matrix_games.ipynb" in texts[3]
    with pytest.raises(ValueError, match="there is no hint 5; ask for hint 1, 2, 3 or 4"):
        check_row_means.hint(5)


def test_a_badly_made_check_is_refused():
    with pytest.raises(ValueError, match="rename it"):
        check("01_matrix_games", hints=("a", "b", "c"))(stub)
    with pytest.raises(ValueError, match="give three"):
        check("01_matrix_games", hints=("a",))(check_row_means._body)


def test_table_refuses_what_is_not_a_table():
    @check("01_matrix_games", hints=("a", "b", "c"))
    def check_game(answer):
        table(answer(), (2, 2), "your game")
        wrong("never right", "this check rejects every table.")

    names = [check_game(lambda v=v: v).misconception for v in ("a", [1, 2], [[1, 2], [3, np.inf]], np.eye(2))]
    assert names == ["not a table", "another shape", "not finite", "never right"]


@pytest.mark.parametrize(
    ("answer", "right", "agree"),
    [
        ({np.int64(1)}, {1}, True),
        ([(0, 1)], {(0, 1)}, True),
        ({(np.int64(0), np.int64(1))}, {(0, 1)}, True),
        (np.bool_(True), True, True),
        (1, True, False),
        (True, 1, False),
        (3, {3}, False),
        ([1.0, 2.0], (1, 2), True),
        ([[1.0, 2.0]], (1, 2), False),
        ("b", 1, False),
    ],
)
def test_same(answer, right, agree):
    assert same(answer, right) is agree


def test_reveal_waits_for_a_prediction():
    assert "No prediction yet" in repr(reveal(..., "c", "The averages say so."))
    assert repr(reveal("c", "c", "Why.")) == "As you predicted: it is c. Why."
    assert repr(reveal("a", "c", "Why.")) == "You predicted a: it is c. Why."


def test_steps_are_fewer_where_the_setting_says_so(monkeypatch):
    monkeypatch.delenv("QMIX_EDU_FAST", raising=False)
    assert steps(full=100, fast=5) == 100
    monkeypatch.setenv("QMIX_EDU_FAST", "1")
    assert steps(full=100, fast=5) == 5
