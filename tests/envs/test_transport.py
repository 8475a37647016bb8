"""The transport gridworld does what its description says, and its best return is what dynamic programming finds."""

from functools import cache
from itertools import product

import pytest
import torch

from matrix_games import catalogue
from qmix_edu.envs import env_names, make_env
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.transport import EAST, GAMES, NORTH, SOUTH, STAY, WEST

MOVES = {STAY: (0, 0), NORTH: (0, 1), SOUTH: (0, -1), WEST: (-1, 0), EAST: (1, 0)}
CHOICE = {EAST: 0, NORTH: 1, WEST: 2}
START = ((0, 0), (4, 0), (2, 0))


# The same room, written down a second time: one copy, tuples, no torch.


def inside(cell):
    return 0 <= cell[0] < 5 and 0 <= cell[1] < 2


def after(cell, action):
    return cell[0] + MOVES[action][0], cell[1] + MOVES[action][1]


def holders(place):
    *agents, goods = place
    return [abs(x - goods[0]) == 1 and y == goods[1] for x, y in agents]


def legal(place, agent):
    *agents, goods = place
    if all(holders(place)):
        carry = {a for a in MOVES if a != STAY and all(inside(after(cell, a)) for cell in agents)}
        return carry | (set(CHOICE) if goods[1] == 1 else set())
    if holders(place)[agent]:
        return {STAY}
    return {a for a in MOVES if inside(after(agents[agent], a))}


def move(place, actions):
    """Return where everything is afterwards, or the choices of the climbing game if the goods were set down."""
    *agents, goods = place
    if all(holders(place)):
        if goods[1] == 1 and all(a in CHOICE for a in actions):
            return CHOICE[actions[0]], CHOICE[actions[1]]
        if actions[0] != actions[1] or (goods[1] == 1 and actions[0] in CHOICE):
            return place
        return tuple(after(cell, actions[0]) for cell in place)
    wanted = [cell if held else after(cell, a) for cell, held, a in zip(agents, holders(place), actions, strict=True)]
    blocked = [wanted[i] in (agents[1 - i], wanted[1 - i], goods) for i in (0, 1)]
    return (*(agents[i] if blocked[i] else wanted[i] for i in (0, 1)), goods)


@cache
def best(variant, place, steps_left, discount):
    """Return the highest expected discounted return with that many steps left: nothing is paid by the time limit."""
    if steps_left == 0:
        return 0.0
    values = []
    for actions in product(legal(place, 0), legal(place, 1)):
        result = move(place, actions)
        if len(result) == 2:
            values.append(float(catalogue[GAMES[variant]].payoff[result]))
        else:
            values.append(discount * best(variant, result, steps_left - 1, discount))
    return max(values)


@pytest.mark.parametrize("variant", GAMES)
def test_the_best_return_is_eleven_after_three_steps(variant):
    assert best(variant, START, 20, 1.0) == 11.0
    assert best(variant, START, 3, 1.0) == 11.0
    assert best(variant, START, 2, 1.0) == 0.0
    assert best(variant, START, 20, 0.9) == pytest.approx(11 * 0.9**2)


def test_the_environment_and_its_second_writing_agree():
    """Along 300 random episodes: what may be done, where everything is, what is paid, and when it ends."""
    n = 300
    env = make_env("gridworld/deterministic", n)
    random = torch.Generator().manual_seed(0)
    seen, places, over, set_down = env.reset(), [START] * n, [False] * n, 0
    for t in range(20):
        actions = torch.multinomial(seen.avail_actions.flatten(0, 1).float(), 1, generator=random).view(n, 2)
        for e in range(n):
            if not over[e]:
                for i in (0, 1):
                    assert set(seen.avail_actions[e, i].nonzero().flatten().tolist()) == legal(places[e], i)
        transition = env.step(actions)
        for e in range(n):
            if over[e]:
                continue
            result = move(places[e], tuple(actions[e].tolist()))
            ended = len(result) == 2
            assert transition.terminated[e].item() == ended
            assert transition.truncated[e].item() == (not ended and t == 19)
            assert transition.reward[e].item() == (catalogue["climbing"].payoff[result] if ended else 0)
            set_down += ended
            if not ended:
                places[e] = result
                one_hot = torch.zeros(3, 10)
                for row, (x, y) in enumerate(result):
                    one_hot[row, x + 5 * y] = 1
                assert torch.equal(transition.observation.state[e, :30], one_hot.flatten())
                assert transition.observation.state[e, 30:].tolist() == holders(result)
            over[e] = ended or t == 19
        seen = transition.observation
    assert 150 < set_down < 250  # random play brings the goods down two times in three


def test_each_agent_sees_itself_first():
    seen = make_env("gridworld/deterministic").reset()
    first, second = seen.obs[0]
    assert torch.equal(first[:10], second[10:20]) and torch.equal(first[10:20], second[:10])
    assert torch.equal(first[20:30], second[20:30])
    assert torch.equal(seen.state[0], first)


@pytest.mark.parametrize(
    ("variant", "paid"), [("partially-stochastic", {0.0, 14.0}), ("fully-stochastic", {0.0, 14.0})]
)
def test_stochastic_variants_draw_the_second_best(variant, paid):
    """Together (b, b) pays 14 or 0; (a, a) surely 11 in the one, 10 or 12 in the other."""
    env = make_env(f"gridworld/{variant}", 200, seed=0)
    for last, outcomes in ((NORTH, paid), (EAST, {11.0} if variant.startswith("part") else {10.0, 12.0})):
        env.reset()
        for actions in ((EAST, WEST), (NORTH, NORTH), (last, last)):
            transition = env.step(torch.tensor([actions]).expand(200, 2))
        assert transition.terminated.all()
        assert set(transition.reward.unique().tolist()) == outcomes


def test_the_time_limit_truncates():
    env = make_env("gridworld/deterministic", 2)
    env.reset()
    stay = torch.zeros(2, 2, dtype=torch.long)
    flags = [env.step(stay) for _ in range(20)]
    assert [bool(f.truncated.any()) for f in flags] == [False] * 19 + [True]
    assert not any(bool(f.terminated.any()) for f in flags)


def test_walls_close_actions():
    env = make_env("gridworld/deterministic")
    env.reset()
    with pytest.raises(ValueError, match="Action 3 of agent 0 in environment 0 is not available"):
        env.step(torch.tensor([[WEST, STAY]]))


@pytest.mark.parametrize("variant", GAMES)
def test_gridworlds_conform_and_have_names(variant):
    assert f"gridworld/{variant}" in env_names()
    assert check_conformance(make_env(f"gridworld/{variant}", 5)) == []
