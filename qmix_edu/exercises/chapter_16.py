"""Checks of chapter 16: an environment of one's own, a payoff table by playing on, rungs by reasoning, a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from scipy.stats import trim_mean

from matrix_games import lowest_rung
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.pettingzoo import PettingZooEnv
from qmix_edu.sweep import interquartile_mean

from .framework import check, show, table, wrong

Array = NDArray[np.float64]
CHAPTER = "16_capstone"
_EPISODES = 40


# --- an environment of one's own ------------------------------------------------------------------------


@dataclass
class _Episode:
    """What one episode showed: joint observations (one more than steps), team rewards, and how it ended."""

    seen: list[Array]
    rewards: list[float] = field(default_factory=list[float])
    ended: bool = False
    cut: bool = False

    def same_as(self, other: _Episode) -> bool:
        """Whether two episodes showed and paid the same."""
        return (
            len(self.seen) == len(other.seen)
            and all(np.array_equal(a, b) for a, b in zip(self.seen, other.seen, strict=True))
            and bool(np.allclose(self.rewards, other.rewards))
        )


class _Team:
    """A student's environment, every call of which is looked at."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make
        self.env = make()
        self.agents = self._agents()
        self.limit = self._limit()
        self.n_actions = {agent: self._action_count(agent) for agent in self.agents}
        self.shapes = {agent: self._shape(agent) for agent in self.agents}

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method; what goes wrong in it becomes one sentence."""
        method = getattr(self.env, name, None)
        if method is None:
            wrong("a part is missing", f"a ParallelEnv has a method `{name}`, and yours has none.")
        try:
            return method(*args, **kwargs)
        except NotImplementedError:
            wrong("half done", f"`{name}` is not written yet.")
        except Exception as error:
            said = f"`{name}` raised {type(error).__name__}: {error}."
            wrong("your environment stopped with an error", said)

    def _agents(self) -> list[str]:
        agents = getattr(self.env, "possible_agents", None)
        if not isinstance(agents, list) or not agents:
            wrong("a part is missing", "`possible_agents` should be the list of the agents' names, set in `__init__`.")
        names = [str(agent) for agent in agents]  # pyright: ignore[reportUnknownVariableType]
        if len(names) < 2:
            wrong("one is no team", f"`possible_agents` is {names}; a team has two agents or more.")
        return names

    def _limit(self) -> int:
        limit = getattr(self.env, "max_cycles", None)
        if not isinstance(limit, int) or limit < 1:
            wrong("no time limit", f"`max_cycles` is {limit!r}; it should be the most steps of an episode, 1 or more.")
        return limit

    def _action_count(self, agent: str) -> int:
        space = self.call("action_space", agent)
        if not hasattr(space, "n") or int(getattr(space, "start", 0)) != 0 or int(space.n) < 2:
            wrong("no Discrete actions", f"`action_space({agent!r})` is {space}; it should be Discrete(2) or more.")
        return int(space.n)

    def _shape(self, agent: str) -> tuple[int, ...]:
        space = self.call("observation_space", agent)
        if getattr(space, "shape", None) is None:
            wrong("no Box of observations", f"`observation_space({agent!r})` is {space}; it should be a Box.")
        return tuple(space.shape)

    def reset(self, seed: int) -> dict[str, Any]:
        """Begin an episode; return what the agents see."""
        answer = self.call("reset", seed=seed)
        if not isinstance(answer, tuple) or len(answer) != 2:  # pyright: ignore[reportUnknownArgumentType]
            wrong("reset returns two things", "`reset` should return two dictionaries, observations and infos.")
        if sorted(self.env.agents) != sorted(self.agents):
            said = f"after `reset`, `agents` is {self.env.agents}; everybody in `possible_agents` should be back."
            wrong("nobody there after reset", said)
        return self._checked(answer[0], "reset")

    def _checked(self, seen: Any, method: str) -> dict[str, Any]:
        for agent in self.agents:
            if not isinstance(seen, Mapping) or agent not in seen:
                wrong(
                    "an agent sees nothing",
                    f"`{method}` should return an observation of every agent; {agent} has none.",
                )
            values = np.asarray(seen[agent])
            if values.shape != self.shapes[agent]:
                wrong(
                    "observation shapes that change",
                    f"`{method}` gave {agent} an observation of shape {values.shape}, and its `observation_space` says "
                    f"{self.shapes[agent]}; a network has one number of inputs.",
                )
            if not np.isfinite(values.astype(float)).all():
                wrong("not finite", f"`{method}` gave {agent} an observation with a number that is not finite.")
        return dict(seen)

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], float, bool, bool]:
        """Act once; return observations, the one reward, and whether the episode ended or was cut."""
        answer = self.call("step", dict(actions))
        if not isinstance(answer, tuple) or len(answer) != 5:  # pyright: ignore[reportUnknownArgumentType]
            wrong(
                "step returns five things",
                "`step` should return five dictionaries: observations, rewards, terminations, truncations, infos.",
            )
        seen, rewards, ended, cut, _ = answer
        for name, values in (("rewards", rewards), ("terminations", ended), ("truncations", cut)):
            missing = [agent for agent in self.agents if not isinstance(values, Mapping) or agent not in values]
            if missing:
                wrong(
                    "an agent is left out", f"`step` returned {name} without {missing[0]}; give every agent its entry."
                )
        paid = {agent: float(rewards[agent]) for agent in self.agents}
        if not np.isfinite(list(paid.values())).all():
            wrong("not finite", f"`step` paid {paid}; a reward should be a finite number.")
        if len({round(value, 9) for value in paid.values()}) > 1:
            wrong(
                "rewards that differ between agents",
                f"`step` paid {paid}. A team has *one* reward, and everybody gets it: add up what they earn, and pay "
                "the sum to each.",
                hint=2,
            )
        for name, flags in (("terminations", ended), ("truncations", cut)):
            if len({bool(flags[agent]) for agent in self.agents}) > 1:
                wrong("some leave early", f"the {name} differ between agents; here everybody leaves together.")
        first = self.agents[0]
        return self._checked(seen, "step"), paid[first], bool(ended[first]), bool(cut[first])

    def play(self, seed: int, choose: Callable[[int, str], int]) -> _Episode:
        """Play an episode, with the action that ``choose(step, agent)`` names."""
        handed_out = [self.reset(seed)]
        episode = _Episode([self._joint(handed_out[0])])
        while not (episode.ended or episode.cut):
            time = len(episode.rewards)
            if time == self.limit:
                said = f"after `max_cycles` = {self.limit} steps the episode still goes on; truncate it there."
                wrong("it never ends", said, hint=2)
            actions = {agent: choose(time, agent) for agent in self.agents}
            seen, reward, episode.ended, episode.cut = self.step(actions)
            handed_out.append(seen)
            episode.seen.append(self._joint(seen))
            episode.rewards.append(reward)
        if list(self.env.agents):
            wrong("agents stay after the end", "when the episode is over `agents` should be the empty list.")
        if not all(np.array_equal(self._joint(now), then) for now, then in zip(handed_out, episode.seen, strict=True)):
            wrong(
                "observations that change afterwards",
                "an observation that was handed out changed when the next step was played: you return the same array "
                "every time and write into it. Return a copy; the replay keeps old ones.",
            )
        return episode

    def random_choice(self, seed: int, but: str = "", other: int = 0) -> Callable[[int, str], int]:
        """Return actions that depend on ``seed`` alone; those of the agent ``but`` also on ``other``."""

        def choose(time: int, agent: str) -> int:
            place = self.agents.index(agent)
            rng = np.random.default_rng([seed, time, place, other if agent == but else 0])
            return int(rng.integers(self.n_actions[agent]))

        return choose

    def _joint(self, seen: Mapping[str, Any]) -> Array:
        return np.concatenate([np.array(seen[agent], dtype=float).ravel() for agent in self.agents])


def _seeds(team: _Team) -> None:
    """The same seed and the same actions give the same episode, in a new copy and in one that has played."""
    played = [team.play(seed, team.random_choice(seed)) for seed in range(5)]
    fresh = [[_Team(team.make).play(seed, team.random_choice(seed)) for _ in range(2)] for seed in range(5)]
    for new, other in fresh:
        if not new.same_as(other):
            wrong(
                "reset ignores the seed",
                "two copies that were reset with the same seed and took the same actions saw different things; draw "
                "everything that is random from `np.random.default_rng(seed)`, made in `reset`.",
                hint=2,
            )
    for used, (new, _) in zip(played, fresh, strict=True):
        if not used.same_as(new):
            wrong(
                "something is left of the last episode",
                "a copy that had played before showed another episode than a new one, from the same seed and actions; "
                "`reset` should set everything anew.",
                hint=2,
            )


def _shows_a_clock(episodes: Sequence[_Episode]) -> bool:
    """Whether parts of the observation tell the step: equal in all episodes, and different at every step."""
    longest = max(len(episode.rewards) for episode in episodes)
    rows = [np.array([e.seen[t] for e in episodes if len(e.rewards) > t]) for t in range(longest)]
    clock = np.all([(row == row[0]).all(axis=0) for row in rows], axis=0)
    return len({tuple(row[0][clock]) for row in rows}) == longest


def _time_limit(team: _Team, episodes: Sequence[_Episode]) -> None:
    """An episode that the clock ended is truncated, unless the agents see the clock."""
    at_limit = [episode for episode in episodes if len(episode.rewards) == team.limit]
    if at_limit and all(episode.ended for episode in at_limit) and not _shows_a_clock(episodes):
        wrong(
            "a time limit reported as termination",
            f"all {len(at_limit)} episodes that lasted `max_cycles` = {team.limit} steps were *terminated*. The clock "
            "only stops us watching: the state is still worth something, so it is a truncation, and terminated is "
            "False.",
            hint=2,
        )


def _worth_learning(team: _Team, episodes: Sequence[_Episode]) -> None:
    """The reward moves, and every agent moves it."""
    if len({round(sum(episode.rewards), 9) for episode in episodes}) == 1:
        paid = sum(episodes[0].rewards)
        wrong("nothing to learn", f"all {len(episodes)} random episodes paid {paid:g}; there is nothing to do better.")
    for agent in team.agents:
        changed = (team.play(seed, team.random_choice(seed, agent, 1)) for seed in range(_EPISODES))
        if all(not _differ(one, other) for one, other in zip(changed, episodes, strict=False)):
            said = f"whatever {agent} does, the team is paid the same; a team-mate has a part in the reward."
            wrong("a passenger", said)


def _differ(one: _Episode, other: _Episode) -> bool:
    return len(one.rewards) != len(other.rewards) or not np.allclose(one.rewards, other.rewards)


@check(
    CHAPTER,
    hints=(
        "Follow `Lifting` method by method. `reset` sets *everything* anew; `step` moves, pays everybody the same, and "
        "says how it ended.",
        "`rng = np.random.default_rng(seed)` in `reset`; `self.time += 1` in `step`; `ended = goal reached`; `cut = "
        "self.time >= self.max_cycles and not ended`; all five dictionaries have one entry for each agent; and `if "
        "ended or cut: self.agents = []`, after the dictionaries were made.",
        "With the same seed and the same actions two copies show the same episode. An episode lasts `max_cycles` steps "
        "at most, and then says truncated, not terminated.",
    ),
)
def check_MyTeam(make: Any) -> str:
    """A cooperative ParallelEnv keeps the contract, and there is something to learn in it."""
    team = _Team(make)
    episodes = [team.play(seed, team.random_choice(seed)) for seed in range(_EPISODES)]
    stubborn = [team.play(seed, lambda _time, _agent, a=a: a) for seed in range(3) for a in range(2)]
    _seeds(team)
    _time_limit(team, episodes + stubborn)
    _worth_learning(team, episodes)
    env = PettingZooEnv(make, "your environment", n_envs=2)
    findings = check_conformance(env)
    if findings:
        wrong("the contract is broken", f"through the adapter: {findings[0]}.")
    sizes = f"{len(team.agents)} agents, {env.spec.n_actions} actions, {env.spec.obs_size} features"
    return f"it keeps the contract ({sizes}), and every agent has a part in the reward."


# --- a payoff table by playing on -----------------------------------------------------------------------


def play_out(make: Callable[[], Any], seed: int, first: Mapping[str, int], rng: np.random.Generator) -> float:
    """Return what the team earns in one episode: reset with ``seed``, act ``first``, then at random to the end."""
    env = make()
    env.reset(seed=seed)
    earned, actions = 0.0, dict(first)
    while env.agents:
        acting = list(env.agents)
        _, rewards, *_ = env.step(actions)
        earned += float(rewards[acting[0]])
        actions = {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}
    return earned


def payoff_samples(make: Callable[[], Any], k: int, seed: int = 0) -> Array:
    """Return ``[k, m1, m2]``: k earnings for each first action of the first two agents, in the state ``reset(seed)``.

    The others, and everybody from the second step on, act at random. Rewards are not discounted.
    """
    env, rng = make(), np.random.default_rng(seed)
    one, two, *others = env.possible_agents
    sizes = {agent: int(env.action_space(agent).n) for agent in env.possible_agents}
    samples = np.zeros((k, sizes[one], sizes[two]))
    for place in np.ndindex(*samples.shape):
        first = {one: place[1], two: place[2], **{agent: int(rng.integers(sizes[agent])) for agent in others}}
        samples[place] = play_out(make, seed, first, rng)
    return samples


class _Recorder:
    """An environment for two that notes what is asked of it; what it pays depends on seed, step and actions."""

    possible_agents: Sequence[str] = ("one", "two")
    max_cycles = 5

    def __init__(self, notes: list[_Recorder]) -> None:
        self.agents: list[str] = []
        self.seed: int | None = None
        self.joint: list[tuple[int, int]] = []
        self.paid: list[float] = []
        notes.append(self)

    def action_space(self, agent: str) -> Any:
        return Discrete(3 if agent == "one" else 4)

    def observation_space(self, agent: str) -> Any:
        return Box(0.0, 1.0, (1,))

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        del options
        self.seed, self.agents, self.joint, self.paid = seed, list(self.possible_agents), [], []
        self._length = 3 + (seed or 0) % 3  # reached by termination, or cut at max_cycles
        return self._seen(), {agent: {} for agent in self.agents}

    def _seen(self) -> dict[str, Array]:
        return {agent: np.zeros(1) for agent in self.possible_agents}

    def step(self, actions: Mapping[str, int]) -> Any:
        if not self.agents:
            raise RuntimeError("the episode is over, and somebody acts")
        joint = tuple(int(actions[agent]) for agent in self.possible_agents)
        if not (0 <= joint[0] < 3 and 0 <= joint[1] < 4):
            raise ValueError(f"there is no joint action {joint}")
        self.joint.append((joint[0], joint[1]))
        self.paid.append(float(1 + joint[0] + 5 * joint[1] + 7 * len(self.joint)))
        over = len(self.joint) >= self._length
        names = self.agents
        cut = over and self._length == self.max_cycles
        answer = (
            self._seen(),
            dict.fromkeys(names, self.paid[-1]),
            dict.fromkeys(names, over and not cut),
            dict.fromkeys(names, cut),
            {name: {} for name in names},
        )
        self.agents = [] if over else names
        return answer

    def close(self) -> None:
        """Nothing is held."""


@check(
    CHAPTER,
    hints=(
        "One episode, and the sum of what it pays. What is fixed (the start, the first joint action), and what is "
        "drawn anew every time?",
        "`env = make()`, `env.reset(seed=seed)`, `actions = first`, `total = 0`; while `env.agents` is not empty: "
        "step, add *one* agent's reward (it is the team's), and draw the next actions from `rng`.",
        "An episode that pays 1 to the team at each of its 5 steps is worth 5: not 4, not 1, not 10.",
    ),
)
def check_play_out(answer: Any) -> str:
    """The earnings of an episode that begins with a given joint action."""
    later: list[tuple[int, int]] = []
    repeated = True
    for number in range(30):
        rng = np.random.default_rng(number)
        first = {"one": number % 3, "two": (number // 3) % 4}
        notes: list[_Recorder] = []
        earned = answer(lambda notes=notes: _Recorder(notes), 10 + number, first, rng)
        played = [env for env in notes if env.joint]
        if not played:
            wrong("nothing is played", "your function never calls `step`.")
        env = played[-1]
        _same_start(env, 10 + number, first)
        _whole_episode(env, earned)
        later += env.joint[1:]
        repeated = repeated and set(env.joint) == {env.joint[0]}
    if repeated:
        said = "you take the joint action `first` at every step; it is for the first step alone."
        wrong("the first action to the end", said, hint=2)
    if len(set(later)) < 12:
        said = f"after the first step only {sorted(set(later))} was played; draw every agent's action from `rng`."
        wrong("not at random afterwards", said, hint=2)
    for number in range(5):
        twice: list[list[_Recorder]] = [[], []]
        for notes in twice:
            answer(lambda notes=notes: _Recorder(notes), 3, {"one": 0, "two": 0}, np.random.default_rng(number))
        if [env.joint for env in twice[0]] != [env.joint for env in twice[1]]:
            wrong(
                "randomness of your own", "the same `rng` gave two different episodes; draw from it and nothing else."
            )
    return "with many of these for each joint action you have a payoff table."


def _same_start(env: _Recorder, seed: int, first: Mapping[str, int]) -> None:
    if env.seed != seed:
        said = f"`reset` was called with seed {env.seed}, not {seed}; every cell of the table needs the same state."
        wrong("another start", said)
    if env.joint[0] != (first["one"], first["two"]):
        said = f"the first joint action was {env.joint[0]}, and `first` says {(first['one'], first['two'])}."
        wrong("the first action is not taken", said)


def _whole_episode(env: _Recorder, earned: Any) -> None:
    total = float(table(earned, (), "what the team earns"))
    paid = sum(env.paid)
    if np.isclose(total, paid):
        if env.agents:
            wrong(
                "stopped too early", f"the episode went on after step {len(env.joint)}; play until `agents` is empty."
            )
        return
    mistakes = [
        ("everybody's pay is added", 2 * paid, "each agent is paid the *team's* reward: count it once, not per head."),
        ("the first reward is lost", paid - env.paid[0], "the reward of the first joint action is part of the sum."),
        ("the last reward is lost", paid - env.paid[-1], "the step that ends the episode pays too."),
        ("the mean for the sum", paid / len(env.paid), "a return is the *sum* of the rewards, not their mean."),
        ("one reward only", env.paid[-1], "a return is the sum of *all* rewards of the episode."),
        ("one reward only", env.paid[0], "a return is the sum of *all* rewards of the episode."),
    ]
    for name, value, sentence in mistakes:
        if np.isclose(total, value):
            wrong(name, sentence, hint=2)
    wrong("not yet", f"the rewards were {show(env.paid)}, and you return {show(total)}; it should be {show(paid)}.")


# --- rungs by reasoning ---------------------------------------------------------------------------------

JOBS: dict[str, Array] = {
    "rooms": np.array([[0.0, 1.0], [2.0, 3.0]]),
    "cart": np.array([[0.0, 0.0], [0.0, 10.0]]),
    "alarm": np.array([[0.0, 1.0], [1.0, 1.0]]),
    "doors": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "crate": np.array([[0.0, -6.0], [-6.0, 10.0]]),
    "fire": np.array([[0.0, 2.0], [2.0, 3.0]]),
}
_LADDER = ("additive", "supermodular", "monotone", "any")
_MYTHS = {
    ("rooms", "supermodular"): "a team effort is never a sum",
    ("cart", "additive"): "working together is adding up",
    ("cart", "any"): "needing each other breaks monotonicity",
    ("alarm", "supermodular"): "QMIX's mixer reaches every monotone table",
    ("fire", "supermodular"): "QMIX's mixer reaches every monotone table",
    ("alarm", "additive"): "the second adds as much as the first",
    ("fire", "additive"): "the second adds as much as the first",
    ("doors", "monotone"): "a best action needs no partner",
    ("crate", "supermodular"): "a penalty is only a smaller number",
    ("crate", "monotone"): "a penalty is only a smaller number",
}


@check(
    CHAPTER,
    hints=(
        "Write each job as a table of 2 x 2: what the team earns if neither, one, the other, both act.",
        "Additive: what one adds does not depend on the other. Monotone: acting is never worse than not acting, or "
        "never better, *whatever the other does*. Supermodular: monotone, and one gains *more* by acting when the "
        "other acts too.",
        "Every rung appears once or twice. `lowest_rung(table).reason` explains the table that you wrote down.",
    ),
)
def check_rungs_of_the_jobs(answer: Any) -> str:
    """The lowest rung of each of six jobs."""
    rungs = answer()
    if not isinstance(rungs, Mapping) or set(rungs) != set(JOBS):  # pyright: ignore[reportUnknownArgumentType]
        wrong("not one rung for each job", f"return a dictionary with the keys {', '.join(JOBS)}.")
    named: dict[str, Any] = {job: rungs[job] for job in JOBS}
    for job, rung in named.items():
        if rung not in _LADDER:
            wrong("no such rung", f"{job}: {rung!r} is not one of {', '.join(_LADDER)}.")
    if len(set(named.values())) == 1:
        wrong("a constant", f"you put every job on the rung {named['rooms']!r}; they are different jobs.")
    for job, payoff in JOBS.items():
        truth = lowest_rung(payoff)
        if named[job] != truth.name:
            higher = _LADDER.index(named[job]) > _LADDER.index(truth.name)
            myth = _MYTHS.get((job, named[job]), "a higher rung than needed" if higher else "a rung too low")
            because = _lower(truth.holds.reason) if higher and truth.holds else _lower(truth.reason)
            wrong(myth, f"the job {job!r}, {show(payoff)}, is not {named[job]!r}: {because}", hint=2)
    return "you can say before training what a method cannot represent."


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


# --- the report -----------------------------------------------------------------------------------------

_RESAMPLES = 2000


def report(returns: Array, seed: int = 0) -> tuple[float, float, float]:
    """Return the interquartile mean over seeds of returns ``[seeds, episodes]``, and its 95 % bootstrap interval."""
    middle, interval = interquartile_mean([returns.mean(axis=1)], seed)
    low, high = interval or (middle, middle)
    return middle, low, high


def _trimmed(values: Array) -> Any:
    return trim_mean(values, 0.25, axis=-1)


def _resampled(values: Array, statistic: Callable[[Array], Any] = _trimmed) -> Array:
    """Return the statistic of samples of the values, drawn with replacement."""
    rng = np.random.default_rng(1)
    return np.asarray(statistic(values[rng.integers(len(values), size=(_RESAMPLES, len(values)))]))


def _ends(values: Array, percent: float = 95.0) -> tuple[float, float]:
    low, high = np.percentile(values, [50 - percent / 2, 50 + percent / 2])
    return float(low), float(high)


def _like(answer: Array, middle: float, ends: tuple[float, float]) -> bool:
    """Whether an answer is this, as far as two bootstraps agree: the ends within a quarter of the interval's width."""
    slack = 0.25 * (ends[1] - ends[0]) + 1e-9
    return bool(abs(answer[0] - middle) < 1e-6 * (1 + abs(middle)) and np.all(np.abs(answer[1:] - ends) <= slack))


@check(
    CHAPTER,
    hints=(
        "What was repeated independently: the episodes of one team, or the trainings? Draw those again.",
        "First `scores = returns.mean(axis=1)`, one number for each seed. Then `trim_mean(scores, 0.25)` of the scores "
        "themselves, and of 2,000 samples of as many seeds, drawn *with* replacement (`rng.choice(scores, size=(2000, "
        "n))`); the ends are the 2.5th and 97.5th percentile of those.",
        "Eight seeds that reach 10 six times and 0 twice: the interquartile mean is 10, and the interval still "
        "reaches down, because a sample of eight may hold the bad seeds several times.",
    ),
)
def check_my_report(answer: Any) -> str:
    """The interquartile mean over seeds and its bootstrap interval."""
    rng = np.random.default_rng(9)
    to_95 = to_90 = 0.0
    for n_seeds in (8, 12, 8, 12):
        levels = rng.gamma(2.0, 3.0, size=n_seeds)
        returns = levels[:, None] + rng.normal(0, 1.0, size=(n_seeds, 40))
        got = table(answer(returns), (3,), "what you return, (iqm, low, high),")
        _one_report(got, returns)
        resampled = _resampled(returns.mean(axis=1))
        to_95 += float(np.abs(got[1:] - _ends(resampled)).sum())
        to_90 += float(np.abs(got[1:] - _ends(resampled, 90.0)).sum())
    if to_90 < to_95 / 3:
        wrong("90 % instead of 95 %", "5 % below and 5 % above leave 90 %; take the percentiles 2.5 and 97.5.", hint=2)
    return "this is what you may say of an algorithm: its middle, and how far the seeds let you trust it."


def _one_report(got: Array, returns: Array) -> None:
    scores, flat = returns.mean(axis=1), returns.ravel()
    middle, resampled = float(_trimmed(scores)), _resampled(scores)
    if _like(got, middle, _ends(resampled)):
        return
    mean, median = float(scores.mean()), float(np.median(scores))
    pooled = "you drew *episodes*. Those of one team are not independent: another seed would be another team."
    if np.isclose(got[0], float(_trimmed(flat))) or _like(got, middle, _ends(_resampled(flat))):
        wrong("episodes taken for seeds", f"{pooled} First the mean of each seed, then the rest.", hint=2)
    if np.isclose(got[0], mean):
        wrong(
            "the mean for the interquartile mean", "one lucky seed moves the mean; trim a quarter at each end.", hint=2
        )
    if np.isclose(got[0], median):
        wrong("the median for the interquartile mean", "the median uses one or two seeds; average the middle half.", 2)
    if np.isclose(got[0], scores.max()):
        wrong("the best seed", "you report the luckiest seed; the next one would not be it.")
    if np.isclose(got[0], float(_trimmed(returns.mean(axis=0)))):
        wrong("the wrong axis", "you averaged over the seeds; those are axis 0, so `returns.mean(axis=1)`.", hint=2)
    if not np.isclose(got[0], middle):
        wrong(
            "not yet",
            f"the seeds reach {show(scores)}; you say {got[0]:.4g}, their interquartile mean is {middle:.4g}.",
        )
    if got[1] > got[2]:
        wrong("upside down", f"your lower end {got[1]:.4g} lies above the upper end {got[2]:.4g}.")
    if got[2] - got[1] < 1e-9:
        said = "your interval has no width: drawn *without* replacement, every sample holds the same seeds."
        wrong("drawn without replacement", said, hint=2)
    spread = (float(scores.min()), float(scores.max())), _ends(scores, 50.0), _ends(scores)
    if any(np.allclose(got[1:], ends) for ends in spread):
        said = "you give the spread of the *seeds*. The interval is about their interquartile mean, which varies less."
        wrong("the spread for the interval", said, hint=2)
    error = float(resampled.std())
    if _like(got, middle, _ends(resampled, 68.0)) or np.allclose(
        got[1:], (middle - error, middle + error), atol=error / 4
    ):
        wrong(
            "one standard error only", "your interval holds 68 %; for 95 % take the percentiles 2.5 and 97.5.", hint=2
        )
    ends = _ends(resampled)
    wrong("not yet", f"your interval is {show(got[1:])}; a bootstrap over the seeds gives about {show(ends)}.")
