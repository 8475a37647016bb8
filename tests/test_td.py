"""Targets and losses against numbers worked out by hand."""

import inspect

import pytest
import torch
from factories import generator

from qmix_edu.exploration import LinearEpsilon, epsilon_greedy
from qmix_edu.td import chosen_utilities, greedy_actions, masked_td_loss, td_lambda_targets, weighted_td_loss

GAMMA = 0.9
REWARD, NEXT_VALUES = [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]


def column(values):
    return torch.tensor(values).reshape(1, -1, 1)


def targets(td_lambda, terminated=(0.0, 0.0, 0.0), mask=(1.0, 1.0, 1.0), reward=REWARD, next_values=NEXT_VALUES):
    result = td_lambda_targets(column(reward), column(terminated), column(mask), column(next_values), GAMMA, td_lambda)
    return result.flatten().tolist()


@pytest.mark.parametrize(
    ("td_lambda", "expected"),
    [
        (0.0, [1 + 0.9 * 10, 2 + 0.9 * 20, 3]),
        (1.0, [1 + 0.9 * (2 + 0.9 * 3), 2 + 0.9 * 3, 3]),
        (0.6, [10.4428, 10.82, 3]),  # 2 + .9 (.4 20 + .6 3) = 10.82;  1 + .9 (.4 10 + .6 10.82) = 10.4428
    ],
)
def test_an_episode_that_terminated_is_worth_its_last_reward(td_lambda, expected):
    assert targets(td_lambda, terminated=(0.0, 0.0, 1.0)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("td_lambda", "expected"),
    [
        (0.0, [10, 20, 30]),
        (1.0, [27.1, 29, 30]),  # 2 + .9 30 = 29;  1 + .9 29 = 27.1
        (0.6, [18.316, 25.4, 30]),  # 2 + .9 (.4 20 + .6 30) = 25.4;  1 + .9 (.4 10 + .6 25.4) = 18.316
    ],
)
def test_an_episode_cut_by_a_time_limit_bootstraps(td_lambda, expected):
    assert targets(td_lambda) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("terminated", [0.0, 1.0])
@pytest.mark.parametrize("td_lambda", [0.0, 0.6, 1.0])
def test_padding_is_never_looked_at(td_lambda, terminated):
    """An episode of two steps has the same targets alone as beside a longer one."""
    alone = td_lambda_targets(
        column(REWARD[:2]), column([0.0, terminated]), column([1.0, 1.0]), column(NEXT_VALUES[:2]), GAMMA, td_lambda
    )
    for padding in (0.0, 1e30, -7.0, float("inf"), float("nan")):
        padded = targets(
            td_lambda,
            terminated=(0.0, terminated, 0.0),
            mask=(1.0, 1.0, 0.0),
            reward=[1.0, 2.0, padding],
            next_values=[10.0, 20.0, padding],
        )
        assert padded[:2] == alone.flatten().tolist()


@pytest.mark.parametrize("beyond", [1e30, float("inf"), float("nan")])
def test_nothing_follows_a_termination(beyond):
    for td_lambda in (0.0, 0.6, 1.0):
        assert targets(td_lambda, terminated=(0.0, 0.0, 1.0), next_values=[10.0, 20.0, beyond]) == targets(
            td_lambda, terminated=(0.0, 0.0, 1.0)
        )


@pytest.mark.parametrize("td_lambda", [0.0, 0.6, 1.0])
def test_targets_are_those_of_the_recursion_written_out(td_lambda):
    """Episodes of all lengths, half of them terminated and half cut, in float64 and step by step."""
    g, b, t, m = generator(), 60, 30, 2
    lengths = [1 + i // 2 for i in range(b)]
    mask, terminated = torch.zeros(b, t, m), torch.zeros(b, t, m)
    reward, next_values = torch.randn(b, t, m, generator=g), 10 * torch.randn(b, t, m, generator=g)
    for i, length in enumerate(lengths):
        mask[i, :length], terminated[i, length - 1] = 1, i % 2
    found = td_lambda_targets(reward, terminated, mask, next_values, GAMMA, td_lambda)
    for i, length in enumerate(lengths):
        y = next_values[i, length - 1].double()
        for step in reversed(range(length)):
            value = next_values[i, step].double()
            future = (1 - td_lambda) * value + td_lambda * y if step < length - 1 else value
            y = reward[i, step].double() + GAMMA * (1 - terminated[i, step].double()) * future
            torch.testing.assert_close(found[i, step].double(), y, rtol=1e-5, atol=1e-5)


def test_the_value_axis_is_kept_apart():
    """Two values per step (m = 2) have the targets that each has alone."""
    g = generator()
    reward, next_values = torch.randn(3, 4, 2, generator=g), torch.randn(3, 4, 2, generator=g)
    terminated, mask = torch.zeros(3, 4, 2), torch.ones(3, 4, 2)
    both = td_lambda_targets(reward, terminated, mask, next_values, GAMMA, 0.6)
    for m in range(2):
        one = [x[..., m : m + 1] for x in (reward, terminated, mask, next_values)]
        assert torch.equal(both[..., m : m + 1], td_lambda_targets(*one, GAMMA, 0.6))


def test_greedy_actions_are_available_and_best():
    utilities = torch.tensor([[5.0, 1.0, 3.0], [-1.0, -2.0, -3.0]])
    assert greedy_actions(utilities, torch.ones(2, 3, dtype=torch.bool)).tolist() == [0, 0]
    assert greedy_actions(utilities, torch.tensor([[False, True, True], [False, False, True]])).tolist() == [2, 2]


def test_no_sentinel_leaks_where_all_but_one_action_are_unavailable():
    """Values come from the unmasked utilities: finite, and with a finite gradient, however negative the rest is."""
    utilities = torch.full((1, 1, 4), -1e6).requires_grad_()
    avail = torch.tensor([[[False, False, True, False]]])
    actions = greedy_actions(utilities, avail)
    chosen = chosen_utilities(utilities, actions)
    chosen.sum().backward()
    assert actions.item() == 2
    assert chosen.item() == -1e6
    assert utilities.grad.flatten().tolist() == [0, 0, 1, 0]


def test_the_loss_is_the_mean_over_real_transitions():
    values, mask = torch.zeros(2, 3, 1), torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).unsqueeze(-1)
    wanted = torch.tensor([[1.0, 2.0, 100.0], [3.0, 100.0, 100.0]]).unsqueeze(-1)
    assert masked_td_loss(values, wanted, mask).item() == pytest.approx((1 + 4 + 9) / 3)


def test_a_weight_scales_an_error_and_not_the_number_of_transitions():
    values, mask = torch.zeros(1, 3, 1), column([1.0, 1.0, 0.0])
    loss = weighted_td_loss(values, column([1.0, 2.0, 100.0]), mask, column([0.5, 0.25, 7.0]))
    assert loss.item() == pytest.approx((0.5 * 1 + 0.25 * 4) / 2)


@pytest.mark.parametrize("odd_one", range(4))
def test_the_loss_broadcasts_nothing_silently(odd_one):
    """One reward beside n values would count it n times; the trailing axis makes that an error."""
    shapes = [(2, 3, 4)] * 4
    shapes[odd_one] = (2, 3, 1)
    loss = inspect.unwrap(weighted_td_loss)  # without the shape checks of the tests
    with pytest.raises(ValueError, match=r"must have one shape \[b, t, m\]"):
        loss(*(torch.ones(shape) for shape in shapes))


def test_epsilon_falls_in_a_line_and_stays():
    epsilon = LinearEpsilon(1.0, 0.1, 100)
    assert [epsilon(step) for step in (0, 50, 100, 1000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_exploration_draws_available_actions_uniformly():
    avail = torch.tensor([True, False, True, True]).expand(30_000, 1, 4)
    utilities = torch.tensor([0.0, 9.0, 1.0, 0.0]).expand(30_000, 1, 4)
    for epsilon, expected in ((1.0, [1 / 3, 0, 1 / 3, 1 / 3]), (0.0, [0, 0, 1, 0]), (0.3, [0.1, 0, 0.8, 0.1])):
        actions = epsilon_greedy(utilities, avail, epsilon, generator())
        shares = torch.bincount(actions.flatten(), minlength=4) / 30_000
        assert shares.tolist() == pytest.approx(expected, abs=0.015)  # 5 standard errors
