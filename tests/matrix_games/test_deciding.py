"""Every certificate is checked by hand-sized definitions: all orders, all minors, all joint actions."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from matrix_games import catalogue, is_additive, is_igm, is_monotone, is_supermodular, lowest_rung

DECISIONS = [is_additive, is_monotone, is_supermodular, lowest_rung]
shapes = st.sampled_from([(3,), (1, 1), (2, 2), (2, 3), (3, 3), (4, 2), (2, 2, 2), (1, 3, 2), (2, 2, 2, 2)])
payoffs = shapes.flatmap(lambda shape: npst.arrays(np.float64, shape, elements=st.integers(0, 3).map(float)))
quick = settings(max_examples=150, deadline=None)


# --- the definitions, one entry at a time


def moved(joint, agent, action):
    return (*joint[:agent], action, *joint[agent + 1 :])


def rises(table, orders):
    """Whether the table is non-decreasing when each agent's actions are taken in that order."""
    return all(
        table[moved(joint, agent, low)] <= table[moved(joint, agent, high)]
        for agent, order in enumerate(orders)
        for low, high in zip(order, order[1:], strict=False)
        for joint in np.ndindex(table.shape)
    )


def minors(table, orders):
    """The mixed difference of every minor whose actions stand in that order."""
    for i, j in combinations(range(table.ndim), 2):
        for joint in np.ndindex(*(1 if agent in (i, j) else size for agent, size in enumerate(table.shape))):
            for low in product(range(table.shape[i]), range(table.shape[j])):
                for high in product(range(table.shape[i]), range(table.shape[j])):
                    ranks = [order.index for order in (orders[i], orders[j])]
                    if all(rank(a) < rank(b) for rank, a, b in zip(ranks, low, high, strict=True)):
                        at = lambda x, y, joint=joint, i=i, j=j: table[moved(moved(joint, i, x), j, y)]  # noqa: E731
                        yield at(*high) - at(low[0], high[1]) - at(high[0], low[1]) + at(*low)


def all_orders(table):
    return product(*[list(permutations(range(size))) for size in table.shape])


def labels(table):
    return [tuple(range(size)) for size in table.shape]


def check_minor(table, minor):
    i, j = minor.agents
    others = list(minor.others)
    corners = []
    for x, y in [
        (minor.high[0], minor.high[1]),
        (minor.low[0], minor.high[1]),
        (minor.high[0], minor.low[1]),
        minor.low,
    ]:
        rest = iter(others)
        corners.append(tuple(x if k == i else y if k == j else next(rest) for k in range(table.ndim)))
    assert minor.corners == tuple(corners)
    hh, lh, hl, ll = (table[corner] for corner in corners)
    assert minor.difference == hh - lh - hl + ll


def check_additive(table, verdict):
    sizes = [abs(difference) for difference in minors(table, labels(table))]
    assert bool(verdict) == verdict.holds == (max(sizes, default=0) == 0)
    if verdict:
        assert verdict.minor is None
        total = np.array(
            [sum(u[a] for u, a in zip(verdict.utilities, joint, strict=True)) for joint in np.ndindex(table.shape)]
        )
        np.testing.assert_allclose(total.reshape(table.shape), table, atol=1e-12)
    else:
        assert verdict.utilities is None
        check_minor(table, verdict.minor)
        assert abs(verdict.minor.difference) == max(sizes)


def check_monotone(table, verdict):
    assert bool(verdict) == verdict.holds == any(rises(table, orders) for orders in all_orders(table))
    if verdict:
        assert [sorted(order) for order in verdict.orders] == [list(range(size)) for size in table.shape]
        assert rises(table, verdict.orders)
        assert verdict.agent is verdict.actions is verdict.witnesses is None
    else:
        assert verdict.orders is None
        (first, second), agent = verdict.actions, verdict.agent
        one, other = verdict.witnesses
        assert one[agent] == first and table[one] > table[moved(one, agent, second)]
        assert other[agent] == second and table[other] > table[moved(other, agent, first)]


def check_supermodular(table, verdict):
    fits = lambda orders: rises(table, orders) and min(minors(table, orders), default=0) >= 0  # noqa: E731
    assert bool(verdict) == verdict.holds == any(fits(orders) for orders in all_orders(table))
    parts = (verdict.orders, verdict.minor, verdict.monotone)
    assert sum(part is not None for part in parts) == 1
    if verdict:
        assert fits(verdict.orders)
    elif verdict.monotone is not None:
        assert not verdict.monotone
        check_monotone(table, verdict.monotone)
    else:
        orders = is_monotone(table).orders
        check_minor(table, verdict.minor)
        for agent, low, high in zip(verdict.minor.agents, verdict.minor.low, verdict.minor.high, strict=True):
            assert orders[agent].index(low) < orders[agent].index(high)
        assert verdict.minor.difference == min(minors(table, orders)) < 0


# --- the certificates


@quick
@given(payoffs, st.data())
def test_every_certificate_proves_its_verdict_and_survives_relabelling(table, data):
    where = np.ix_(*[data.draw(st.permutations(range(size))) for size in table.shape])
    renamed = table[where].transpose(data.draw(st.permutations(range(table.ndim))))
    for payoff in (table, renamed):
        check_additive(payoff, is_additive(payoff))
        check_monotone(payoff, is_monotone(payoff))
        check_supermodular(payoff, is_supermodular(payoff))
    assert lowest_rung(renamed).name == lowest_rung(table).name


@quick
@given(shapes, st.sampled_from(["sum", "product", "maximum"]), st.data())
def test_tables_that_hold_are_certified(shape, kind, data):
    # random integer tables of three agents are hardly ever monotone: build some that are, with ties
    utilities = [data.draw(npst.arrays(np.float64, size, elements=st.integers(0, 3).map(float))) for size in shape]
    table = {"sum": np.add, "product": np.multiply, "maximum": np.maximum}[kind].reduce(
        np.broadcast_arrays(*np.ix_(*utilities))
    )
    check_additive(table, is_additive(table))
    check_monotone(table, is_monotone(table))
    check_supermodular(table, is_supermodular(table))
    assert (
        is_monotone(table) and (kind == "maximum" or is_supermodular(table)) and (kind != "sum" or is_additive(table))
    )


@quick
@given(payoffs, st.data())
def test_igm_names_the_worst_greedy_joint_action(table, data):
    utilities = [
        data.draw(npst.arrays(np.float64, size, elements=st.integers(0, 2).map(float))) for size in table.shape
    ]
    verdict = is_igm(table, utilities)
    greedy = [
        joint
        for joint in np.ndindex(table.shape)
        if all(u[a] == u.max() for u, a in zip(utilities, joint, strict=True))
    ]
    assert list(verdict.greedy) == greedy
    lowest = min(table[joint] for joint in greedy)
    assert bool(verdict) == (lowest == table.max()) == (verdict.breaks is None)
    if not verdict:
        assert verdict.breaks in greedy and table[verdict.breaks] == lowest
        assert f"{lowest:g}" in verdict.reason and f"{table.max():g}" in verdict.reason


def test_rungs_of_the_catalogue():
    names = {name: lowest_rung(catalogue[name]).name for name in catalogue}
    assert {name for name, rung in names.items() if rung == "additive"} == {"two-step-2a"}
    assert {name for name, rung in names.items() if rung == "supermodular"} == {"two-step-2b", "and"}
    assert {name for name, rung in names.items() if rung == "monotone"} == {"or"}
    rung = lowest_rung(catalogue["or"])
    assert rung.holds.orders == ((0, 1), (0, 1)) and rung.fails.minor.difference == -1
    rung = lowest_rung(catalogue["qtran"])
    assert rung.holds is None and rung.fails.witnesses == ((0, 0), (1, 1))
    assert lowest_rung([[0, 1], [2, 3]]).fails is None


def test_reasons_are_words():
    assert is_monotone(catalogue["climbing"]).reason == (
        "No order suits actions a and b of agent 1: a is better by 41 if agent 2 plays a, "
        "b is better by 37 if agent 2 plays b."
    )
    assert is_supermodular(catalogue["or"]).reason == (
        "Agent 1 changing from a to b gains 1 if agent 2 plays a but changes nothing if agent 2 plays b: "
        "the gain shrinks where it should grow."
    )
    assert is_additive([[0, 1], [1, -8]]).reason == (
        "No sum of utilities is the table: agent 1 changing from a to b gains 1 if agent 2 plays a but loses 9 "
        "if agent 2 plays b; in a sum the two changes are equal."
    )
    assert is_monotone([[0, 1], [3, 2]]).holds is False
    assert is_monotone([[0, 1], [-2, -1]]).reason == (
        "Every agent has an order of its actions: from worst to best agent 1 b, a; agent 2 a, b."
    )
    assert (
        is_igm(catalogue["qtran"], [[0, 1, 1]] * 2).reason == "Greedy agents can choose (b, b), worth 0; the best is 8."
    )


def test_tolerance_is_relative_to_the_range():
    crossed = np.array([[0, 1.0], [1e-6, 1 - 1e-6]])
    assert not is_monotone(crossed) and is_monotone(crossed, tol=1e-5)
    assert not is_additive(crossed) and is_additive(crossed, tol=1e-5)
    assert is_monotone(1e9 * crossed, tol=1e-5) and not is_monotone(1e9 * crossed)


def test_without_tolerance_rounding_hides_no_order():
    # the means of rows that differ in the last place are equal; the rows are ordered all the same
    table = np.array([[1.0, 1.0, np.nextafter(0.1, 1)], [1.0, 1.0, 0.1]])
    assert table[0].mean() == table[1].mean()
    assert is_monotone(table, tol=0.0).orders[0] == (1, 0)
    assert is_additive([0.1, 0.2, 0.3], tol=0.0) and is_additive(np.full((3, 3), 0.1), tol=0.0)


# --- bad input

anything = st.one_of(
    st.floats().map(np.array),
    st.lists(st.lists(st.floats(), max_size=3), max_size=3),
    npst.arrays(np.float64, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), elements=st.floats()),
    st.sampled_from(["x", [["a"]], [[1 + 2j]], [[1], [1, 2]], np.array([[None]])]),
)


@quick
@given(anything)
def test_any_table_gets_a_verdict_or_one_sentence(table):
    for decide in DECISIONS:
        try:
            verdict = decide(table)
        except ValueError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
        else:
            assert verdict.reason.endswith(".") and "nan" not in verdict.reason and "inf" not in verdict.reason


@pytest.mark.parametrize("decide", DECISIONS)
@pytest.mark.parametrize("tol", [-1.0, np.nan, 1.0, np.inf])
def test_a_bad_tolerance_is_named(decide, tol):
    with pytest.raises(ValueError, match="tol is"):
        decide([[0, 1], [1, 0]], tol)
    with pytest.raises(ValueError, match="tol is"):
        is_igm([0, 1], [[0, 1]], tol)


def test_huge_entries_are_refused():
    for decide in DECISIONS:
        with pytest.raises(ValueError, match=r"table is -1e\+308 at \(0, 1\), expected at most 1e\+300; rescale"):
            decide([[0, -1e308], [1, 1]])
