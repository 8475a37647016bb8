"""Chapter 16: environments with a mistake get its name, sound ones of several kinds pass; tables, rungs and reports."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from scipy.stats import bootstrap, trim_mean

from matrix_games import lowest_rung
from qmix_edu.exercises import chapter_16 as chapter
from qmix_edu.exercises.chapter_16 import check_my_report, check_MyTeam, check_play_out, check_rungs_of_the_jobs

# --- environments -----------------------------------------------------------------------------------------


class Meet:
    """Two on a line of five; they earn 1 at each step on the same cell, and it ends when both stand on cell 4."""

    def __init__(self):
        self.possible_agents, self.agents, self.max_cycles = ["one", "two"], [], 7

    def observation_space(self, agent):
        return Box(0, 4, (2,))

    def action_space(self, agent):
        return Discrete(3)

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        self.cells = np.random.default_rng(seed).integers(5, size=2)
        return self.seen(), {agent: {} for agent in self.agents}

    def seen(self):
        return {"one": self.cells.astype(float), "two": self.cells[::-1].astype(float)}

    def rewards(self):
        return dict.fromkeys(self.possible_agents, float(self.cells[0] == self.cells[1]))

    def flags(self):
        ended = bool((self.cells == 4).all())
        return ended, self.time >= self.max_cycles and not ended

    def step(self, actions):
        self.move([actions[agent] for agent in self.possible_agents])
        self.time += 1
        ended, cut = self.flags()
        every = self.possible_agents
        if ended or cut:
            self.agents = []
        flags = dict.fromkeys(every, ended), dict.fromkeys(every, cut)
        return self.seen(), self.rewards(), *flags, {agent: {} for agent in every}

    def move(self, actions):
        self.cells = np.clip(self.cells + np.array(actions) - 1, 0, 4)

    def close(self):
        pass


class OneShot(Meet):
    """A matrix game for three: one step, which ends it; paid by a product. The clock is no secret."""

    def __init__(self):
        super().__init__()
        self.possible_agents, self.max_cycles = ["a", "b", "c"], 1

    def observation_space(self, agent):
        return Box(0, 1, (1,))

    def seen(self):
        return {agent: np.ones(1) for agent in self.possible_agents}

    def move(self, actions):
        self.product = float(np.prod(actions))

    def rewards(self):
        return dict.fromkeys(self.possible_agents, self.product)

    def flags(self):
        return True, False


class Countdown(Meet):
    """A fixed number of steps that everybody sees run out: an end that belongs to the problem."""

    def observation_space(self, agent):
        return Box(0, 9, (3,))

    def seen(self):
        return {agent: np.append(cells, self.time) for agent, cells in super().seen().items()}

    def flags(self):
        return self.time >= self.max_cycles, False


class Windy(Meet):
    """Random in every step, from the seed; observations are a picture; actions differ between agents."""

    def observation_space(self, agent):
        return Box(0, 1, (2, 5), dtype=np.float32)

    def action_space(self, agent):
        return Discrete(3 if agent == "one" else 2)

    def reset(self, seed=None, options=None):
        self.wind = np.random.default_rng(seed)
        return super().reset(seed)

    def seen(self):
        picture = np.eye(5, dtype=np.float32)[self.cells]
        return {"one": picture, "two": picture[::-1].copy()}

    def move(self, actions):
        super().move(np.array(actions) + self.wind.integers(-1, 2, size=2))


@pytest.mark.parametrize("make", [Meet, OneShot, Countdown, Windy, lambda: Meet()])
def test_sound_environments_pass(make):
    result = check_MyTeam(make)
    assert result.status == "correct", result


def but(base=Meet, **members):
    return type("But", (base,), members)


def initially(**values):
    def __init__(self):  # noqa: N807
        Meet.__init__(self)
        for name, value in values.items():
            setattr(self, name, value)

    return but(__init__=__init__)


def stepping(change):
    """Return an environment whose step's five dictionaries are changed after the fact."""
    return but(step=lambda self, actions: change(*Meet.step(self, actions)))


def one_paid_more(seen, rewards, *rest):
    return seen, {**rewards, "two": rewards["two"] + 1}, *rest


def own_pay(self):
    return {"one": float(self.cells[0] == 2), "two": float(self.cells[1] == 2)}


def all_terminated(seen, rewards, ended, cut, infos):
    over = {agent: ended[agent] or cut[agent] for agent in ended}
    return seen, rewards, over, dict.fromkeys(over, False), infos


def both_flags(seen, rewards, ended, cut, infos):
    return seen, rewards, {agent: ended[agent] or cut[agent] for agent in ended}, cut, infos


def unseeded(self, seed=None, options=None):
    answer = Meet.reset(self, seed)
    self.cells = np.random.default_rng().integers(5, size=2)
    return self.seen(), answer[1]


def kept(self, seed=None, options=None):
    cells = getattr(self, "cells", None)
    answer = Meet.reset(self, seed)
    self.cells = self.cells if cells is None else cells
    return self.seen(), answer[1]


def clock_runs_on(self, seed=None, options=None):
    time = getattr(self, "time", 0) % 3
    answer = Meet.reset(self, seed)
    self.time = time
    return answer


class GlobalWind(Meet):
    def move(self, actions):
        super().move(np.array(actions) + np.random.randint(-1, 2, size=2))  # noqa: NPY002


class OneBuffer(Meet):
    def seen(self):
        self.buffer = getattr(self, "buffer", np.zeros(2))
        self.buffer[:] = self.cells
        return {"one": self.buffer, "two": self.buffer}


class Growing(Meet):
    def seen(self):
        return {agent: np.zeros(2 + (self.time > 2)) for agent in self.possible_agents}


class Stays(Meet):
    def step(self, actions):
        names = list(self.agents)
        answer = super().step(actions)
        self.agents = names
        return answer


class Passenger(Meet):
    def rewards(self):
        return dict.fromkeys(self.possible_agents, float(self.cells[0] == 2))

    def flags(self):
        return False, self.time >= self.max_cycles


def raising(self, actions):
    return self.nowhere


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (stepping(one_paid_more), "rewards that differ between agents"),
        (but(rewards=own_pay), "rewards that differ between agents"),
        (stepping(all_terminated), "a time limit reported as termination"),
        (stepping(both_flags), "a time limit reported as termination"),
        (but(flags=lambda self: (self.time >= 7, False)), "a time limit reported as termination"),
        (Growing, "observation shapes that change"),
        (but(observation_space=lambda self, agent: Box(0, 1, (3,))), "observation shapes that change"),
        (but(seen=lambda self: {"one": 1.0, "two": 2.0}), "observation shapes that change"),
        (but(reset=unseeded), "reset ignores the seed"),
        (GlobalWind, "reset ignores the seed"),
        (but(reset=kept), "something is left of the last episode"),
        (but(reset=clock_runs_on), "something is left of the last episode"),
        (OneBuffer, "observations that change afterwards"),
        (but(flags=lambda self: (False, False)), "it never ends"),
        (but(flags=lambda self: (False, self.time > self.max_cycles)), "it never ends"),
        (Stays, "agents stay after the end"),
        (but(rewards=lambda self: dict.fromkeys(self.possible_agents, 0.0)), "nothing to learn"),
        (Passenger, "a passenger"),
        (but(seen=lambda self: {"one": np.zeros(2)}), "an agent sees nothing"),
        (but(seen=lambda self: dict.fromkeys(["one", "two"], np.full(2, np.nan))), "not finite"),
        (but(rewards=lambda self: dict.fromkeys(["one", "two"], np.inf)), "not finite"),
        (stepping(lambda *five: five[:4]), "step returns five things"),
        (stepping(lambda s, r, e, c, i: (s, {"one": 1.0}, e, c, i)), "an agent is left out"),
        (stepping(lambda s, r, e, c, i: (s, r, {**e, "one": True}, c, i)), "some leave early"),
        (but(reset=lambda self, seed=None: Meet.reset(self, seed)[0]), "reset returns two things"),
        (initially(possible_agents=["one"]), "one is no team"),
        (initially(possible_agents=None), "a part is missing"),
        (initially(max_cycles=None), "no time limit"),
        (but(action_space=None), "a part is missing"),
        (but(action_space=lambda self, agent: Box(0, 1, (2,))), "no Discrete actions"),
        (but(action_space=lambda self, agent: Discrete(3, start=1)), "no Discrete actions"),
        (but(observation_space=lambda self, agent: object()), "no Box of observations"),
        (but(step=raising), "your environment stopped with an error"),
        (type("Empty", (), {}), "a part is missing"),
        (lambda: None, "nothing returned"),
    ],
)
def test_environments_with_a_mistake(make, name):
    result = check_MyTeam(make)
    assert result.misconception == name, result
    assert "\n" not in result.message


def test_an_agent_that_is_not_back_after_reset():
    def reset(self, seed=None):
        answer = Meet.reset(self, seed)
        self.agents = ["one"]
        return answer

    assert check_MyTeam(but(reset=reset)).misconception == "nobody there after reset"


def test_a_stub_is_not_started_and_a_part_of_it_half_done():
    def stub(*_, **__):
        raise NotImplementedError

    assert check_MyTeam(but(__init__=stub)).status == "not started"
    for method in ("observation_space", "action_space", "reset", "step"):
        assert check_MyTeam(but(**{method: stub})).misconception == "half done"


# --- playing on -------------------------------------------------------------------------------------------


def played(count=lambda rewards: rewards["one"], begin="first", seeded=True, more=lambda t: True, last=True):
    """Return a play_out that counts rewards as `count` says, and may forget a part."""

    def answer(make, seed, first, rng):
        env = make()
        env.reset(seed=seed if seeded else 0)
        draw = {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}
        actions, total, t = (dict(first) if begin == "first" else draw), 0.0, 0
        while env.agents and more(t):
            rewards = env.step(actions)[1]
            if env.agents or last:
                total += count(rewards)
            actions = {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}
            t += 1
        return total

    return answer


def without_first(make, seed, first, rng):
    env = make()
    env.reset(seed=seed)
    env.step(first)
    total = 0.0
    while env.agents:
        total += env.step({a: int(rng.integers(env.action_space(a).n)) for a in env.agents})[1]["one"]
    return total


def always_first(make, seed, first, rng):
    env, total = make(), 0.0
    env.reset(seed=seed)
    while env.agents:
        total += env.step(first)[1]["one"]
    return total


def diagonal_after(make, seed, first, rng):
    """Draw one action for both."""
    env, actions, total = make(), first, 0.0
    env.reset(seed=seed)
    while env.agents:
        total += env.step(actions)[1]["one"]
        actions = dict.fromkeys(env.possible_agents, int(rng.integers(3)))
    return total


def own_dice(make, seed, first, rng):
    return played()(make, seed, first, np.random.default_rng())


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (without_first, "the first reward is lost"),
        (played(last=False), "the last reward is lost"),
        (played(count=lambda rewards: sum(rewards.values())), "everybody's pay is added"),
        (played(begin="random"), "the first action is not taken"),
        (played(seeded=False), "another start"),
        (played(more=lambda t: t < 1), "stopped too early"),
        (always_first, "the first action to the end"),
        (diagonal_after, "not at random afterwards"),
        (own_dice, "randomness of your own"),
        (lambda make, seed, first, rng: 0.0, "nothing is played"),
        (lambda make, seed, first, rng: played()(make, seed, first, rng) + 1, "not yet"),
        (lambda make, seed, first, rng: make().step(first), "your function stopped with an error"),
    ],
)
def test_play_out_wrong(answer, name):
    result = check_play_out(answer)
    assert result.misconception == name, result


def with_flags(make, seed, first, rng):
    """Ends by the flags, and draws in another order."""
    env = make()
    env.reset(seed=seed)
    actions, total, over = first, 0, False
    while not over:
        _, rewards, ended, cut, _ = env.step(actions)
        total += np.mean(list(rewards.values()))
        over = any(ended.values()) or any(cut.values())
        actions = {agent: rng.choice(env.action_space(agent).n) for agent in reversed(list(rewards))}
    return total


@pytest.mark.parametrize("answer", [played(), with_flags, chapter.play_out])
def test_play_out_right(answer):
    assert check_play_out(answer).status == "correct"


def test_the_samples_have_the_mean_that_enumeration_gives():
    """Two steps of a deterministic game: every second joint action has the same chance."""

    class Two(Meet):
        def __init__(self):
            super().__init__()
            self.max_cycles = 2

    def earned(first, second):
        env = Two()
        env.reset(seed=5)
        total = 0.0
        for joint in (first, second):
            if env.agents:
                total += env.step(dict(zip(env.possible_agents, joint, strict=True)))[1]["one"]
        return total

    pairs = list(itertools.product(range(3), repeat=2))
    exact = np.array([np.mean([earned(first, second) for second in pairs]) for first in pairs]).reshape(3, 3)
    samples = chapter.payoff_samples(Two, k=400, seed=5)
    assert samples.shape == (400, 3, 3)
    assert np.abs(samples.mean(axis=0) - exact).max() < 5 * samples.std(axis=0).max() / 20
    assert np.ptp(exact) > 0.3
    assert np.array_equal(samples, chapter.payoff_samples(Two, k=400, seed=5))


def test_samples_of_three_agents_are_a_table_of_two():
    assert chapter.payoff_samples(OneShot, k=3).shape == (3, 3, 3)


# --- rungs ------------------------------------------------------------------------------------------------

RIGHT = {job: lowest_rung(table).name for job, table in chapter.JOBS.items()}


def test_every_rung_is_asked_for():
    assert set(RIGHT.values()) == {"additive", "supermodular", "monotone", "any"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rooms": "supermodular"}, "a team effort is never a sum"),
        ({"cart": "additive"}, "working together is adding up"),
        ({"cart": "any"}, "needing each other breaks monotonicity"),
        ({"alarm": "supermodular"}, "QMIX's mixer reaches every monotone table"),
        ({"fire": "supermodular"}, "QMIX's mixer reaches every monotone table"),
        ({"alarm": "additive"}, "the second adds as much as the first"),
        ({"doors": "monotone"}, "a best action needs no partner"),
        ({"crate": "supermodular"}, "a penalty is only a smaller number"),
        ({"rooms": "any"}, "a higher rung than needed"),
        ({"doors": "additive"}, "a rung too low"),
        ({"rooms": "VDN"}, "no such rung"),
        (dict.fromkeys(RIGHT, "any"), "a constant"),
        ({"another": "any"}, "not one rung for each job"),
    ],
)
def test_rungs_wrong(changes, name):
    result = check_rungs_of_the_jobs(lambda: {**RIGHT, **changes})
    assert result.misconception == name, result


def test_rungs_right():
    assert check_rungs_of_the_jobs(lambda: RIGHT).status == "correct"
    by_hand = {"rooms": "additive", "cart": "supermodular", "alarm": "monotone"}
    by_hand |= {"doors": "any", "crate": "any", "fire": "monotone"}
    assert check_rungs_of_the_jobs(lambda: by_hand).status == "correct"


# --- reports ----------------------------------------------------------------------------------------------


def trimmed(values):
    return trim_mean(values, 0.25, axis=-1)


def interval(values, statistic=trimmed, percent=(2.5, 97.5), replace=True, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(values, size=len(values), replace=replace) for _ in range(2000)]
    return np.percentile([statistic(sample) for sample in drawn], percent)


def reported(scores_of, statistic=trimmed, ends=interval):
    def answer(returns):
        scores = scores_of(returns)
        return statistic(scores), *ends(scores)

    return answer


def means(returns):
    return returns.mean(axis=1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (reported(np.ravel), "episodes taken for seeds"),
        (lambda r: (trimmed(means(r)), *interval(r.ravel())), "episodes taken for seeds"),
        (reported(means, np.mean, lambda s: interval(s, np.mean)), "the mean for the interquartile mean"),
        (reported(means, np.median, lambda s: interval(s, np.median)), "the median for the interquartile mean"),
        (reported(means, np.max), "the best seed"),
        (reported(lambda returns: returns.mean(axis=0)), "the wrong axis"),
        (reported(means, ends=lambda s: interval(s, percent=(5, 95))), "90 % instead of 95 %"),
        (reported(means, ends=lambda s: interval(s)[::-1]), "upside down"),
        (reported(means, ends=lambda s: interval(s, replace=False)), "drawn without replacement"),
        (reported(means, ends=lambda s: (s.min(), s.max())), "the spread for the interval"),
        (reported(means, ends=lambda s: np.percentile(s, [25, 75])), "the spread for the interval"),
        (reported(means, ends=lambda s: interval(s, percent=(16, 84))), "one standard error only"),
        (lambda r: trimmed(means(r)), "another shape"),
        (lambda r: (1.0, 0.0, 2.0), "not yet"),
    ],
)
def test_report_wrong(answer, name):
    result = check_my_report(answer)
    assert result.misconception == name, result


def by_scipy(returns):
    scores = means(returns)
    ends = bootstrap((scores,), trimmed, n_resamples=3000, method="percentile", rng=np.random.default_rng(7))
    return [trimmed(scores), *ends.confidence_interval]


def by_hand(returns):
    """Sorts, cuts a quarter at each end, averages."""
    scores, rng = [sum(episodes) / len(episodes) for episodes in returns.tolist()], np.random.default_rng(3)

    def middle(values):
        cut = len(values) // 4
        kept = sorted(values)[cut : len(values) - cut]
        return sum(kept) / len(kept)

    drawn = sorted(middle(rng.choice(scores, size=len(scores)).tolist()) for _ in range(2000))
    return np.array([middle(scores), drawn[50], drawn[1949]])


@pytest.mark.parametrize("answer", [reported(means), by_scipy, by_hand, chapter.report])
def test_report_right(answer):
    result = check_my_report(answer)
    assert result.status == "correct", result
