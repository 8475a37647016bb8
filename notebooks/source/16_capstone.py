# %% [markdown]
# # 16 · Capstone: bring your own environment
#
# **Question.** Does it work on *your* problem?
#
# Chapter 15 measured what each method costs, on games that were made for the measurement. Which of them a new problem
# needs, it could not say.
#
# The course is over when you can do without it: with a problem that nobody prepared for you, where the first task is to
# say what the problem *is*, the second to think before training, and the last to say honestly what came out.
#
# You will be able to
# - write a problem of your own as an environment for a team, and find the mistakes that no error message shows;
# - look at one state of it as a payoff table, and choose a rung of the ladder before anything is trained;
# - train from several seeds and report an interval that is about the algorithm.
#
# **Time needed:** 90 minutes, of which the machine trains for two to five; then as long as your own project takes. Four
# exercises. Before it: [04 Monotonic factorisation](04_monotonic_factorisation.ipynb), [08 Beyond
# monotonicity](08_beyond_monotonicity.ipynb), [12 IQL, VDN and QMIX on SMAC](12_qmix_on_smac.ipynb).

# %%
import os
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import takewhile

import matplotlib.pyplot as plt
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from matrix_games import lowest_rung
from qmix_edu import LearnerSettings, TrainSettings, algorithms, train
from qmix_edu.battle_tables import rungs
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.pettingzoo import PettingZooEnv
from qmix_edu.exercises import reveal, steps
from qmix_edu.exercises.chapter_16 import payoff_samples, report
from qmix_edu.plots import plot_payoff
from qmix_edu.rollout import play

_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. A crate that takes two
#
# Two robots on a line of five cells; a crate stands in the middle one. Each robot may stay, go west, go east, or lift,
# which it can from the middle cell and the two beside it. If both lift in the same step, the crate is up and the team
# earns 10 and is done. If one lifts alone, the crate tips and falls back: that costs a *penalty*, each time. After
# eight steps somebody switches off the light.
#
# Such a problem is written down in the form of PettingZoo's `ParallelEnv`, which most libraries understand. It is a
# class with a few names and methods, and you do not even need PettingZoo for it:
#
# | name | what it is |
# |:--|:--|
# | `possible_agents`, `agents` | all names; those who act now (nobody after the end) |
# | `max_cycles` | the most steps of an episode |
# | `observation_space(agent)`, `action_space(agent)` | a `Box` with a shape, a `Discrete` number of actions |
# | `reset(seed)` | begins an episode; returns observations and infos, by agent |
# | `step(actions)` | returns observations, rewards, terminations, truncations, infos, by agent |


# %% tags=["lesson"]
class Lifting:
    """Two robots must lift a crate at the same time; a lone lift costs `penalty`."""

    def __init__(self, penalty=6.0):
        self.penalty = penalty
        self.possible_agents, self.agents = ["one", "two"], []
        self.max_cycles = 8

    def observation_space(self, agent):
        return Box(0.0, 1.0, (10,))  # my cell, and the other's, each as five numbers

    def action_space(self, agent):
        return Discrete(4)  # stay, west, east, lift

    def reset(self, seed=None, options=None):
        rng = np.random.default_rng(seed)  # all that is random comes from here
        self.agents, self.time = list(self.possible_agents), 0
        self.cells = rng.integers(5, size=2)
        return self.seen(), {agent: {} for agent in self.agents}

    def seen(self):
        one, two = np.eye(5, dtype=np.float32)[self.cells]
        return {"one": np.concatenate([one, two]), "two": np.concatenate([two, one])}

    def step(self, actions):
        action = np.array([actions[agent] for agent in self.possible_agents])
        lifts = (action == 3) & (abs(self.cells - 2) <= 1)
        self.cells = np.clip(self.cells + (action == 2) - (action == 1), 0, 4)
        self.time += 1
        reward = 10.0 if lifts.all() else 0.0 - self.penalty * lifts.sum()
        ended = bool(lifts.all())  # the problem is over
        cut = self.time >= self.max_cycles and not ended  # only the clock is
        every = self.agents
        if ended or cut:
            self.agents = []
        flags = dict.fromkeys(every, ended), dict.fromkeys(every, cut)
        return self.seen(), dict.fromkeys(every, reward), *flags, {agent: {} for agent in every}

    def close(self):
        pass


# %%
def draw(env, ax):
    ax.set(xlim=(-0.5, 4.5), ylim=(-0.6, 0.9), xlabel="cell", ylabel="object", aspect="equal")
    ax.set_yticks([-0.25, 0.4], ["crate", "robots"])
    ax.add_patch(plt.Rectangle((1.7, -0.55), 0.6, 0.6, facecolor="#E69F00", edgecolor="black"))
    for name, cell, colour, shift in zip(
        env.possible_agents, env.cells, ["#0072B2", "white"], [-0.15, 0.15], strict=True
    ):
        ax.plot(cell + shift, 0.4, "o", markersize=18, markerfacecolor=colour, markeredgecolor="black", label=name)


env = Lifting()
_, axes = plt.subplots(1, 3, figsize=(11, 1.8), layout="constrained")
for seed, ax in enumerate(axes):
    env.reset(seed=seed)
    draw(env, ax)
    ax.set_title(f"reset(seed={seed})")
_ = axes[0].legend(loc="upper left", fontsize="small", labelspacing=1.2)

# %% [markdown]
# *The crate (square), robot one (dark) and robot two (white) at the start of three episodes.*
#
# ## 2. Does it keep the contract?
#
# The library's adapter plays copies of any such environment, and `check_conformance` looks whether they behave. It
# knows shapes, masks, flags, endings and seeds:

# %%
print("breaches:", check_conformance(PettingZooEnv(Lifting, "lifting", n_envs=3)))

# %% [markdown]
# None. Now a small change: when the light goes out, `Careless` says *terminated* instead of *truncated*.


# %%
class Careless(Lifting):
    def step(self, actions):
        seen, rewards, ended, cut, infos = super().step(actions)
        over = {agent: ended[agent] or cut[agent] for agent in ended}
        return seen, rewards, over, dict.fromkeys(over, False), infos


# %% [markdown]
# **Predict.** How many breaches does `check_conformance` find in `Careless`? Write a number.

# %%
my_breaches = ...

# %%
found = check_conformance(PettingZooEnv(Careless, "careless", n_envs=3))
reveal(
    my_breaches, len(found), "It is a sound environment, of another problem: one in which the world ends after 8 steps."
)

# %% [markdown]
# **Explain.** Nothing crashes, and the values are wrong: the target of a last step becomes r instead of r + γ max Q, as
# if two robots beside the crate were worth nothing because somebody switched off the light (chapter 09). Mistakes of
# this kind are the expensive ones: they look like an algorithm that does not work. The next check knows several.
#
# **Exercise 1 (open).** Write `MyTeam`: a cooperative environment of your own, two agents or more, small. Any problem
# will do, as long as everybody is paid the same, everybody has a part in it, and `MyTeam()` makes it. Five short
# methods are enough. No idea? Sentries at gates (the solution), a relay race, two keys for one lock, somebody who
# sees and somebody who acts.


# %% tags=["exercise"]
class MyTeam:
    """Who acts, what they see, and what the team earns, in one sentence.

    In the solution: at each step two sentries see how many enemies come to each of three gates; every gate that is
    manned counts, once.
    """

    def __init__(self):
        ### BEGIN SOLUTION
        self.possible_agents, self.agents = ["one", "two"], []
        self.max_cycles = 5
        ### END SOLUTION

    def observation_space(self, agent):
        ### BEGIN SOLUTION
        return Box(0.0, 1.0, (3,))  # how many come to each gate, in tens
        ### END SOLUTION

    def action_space(self, agent):
        ### BEGIN SOLUTION
        return Discrete(3)  # the gate to man
        ### END SOLUTION

    def reset(self, seed=None, options=None):
        ### BEGIN SOLUTION
        self.rng = np.random.default_rng(seed)
        self.agents, self.time = list(self.possible_agents), 0
        self.enemies = self.rng.integers(11, size=3) / 10
        return {agent: self.enemies.copy() for agent in self.agents}, {agent: {} for agent in self.agents}
        ### END SOLUTION

    def step(self, actions):
        ### BEGIN SOLUTION
        every = self.agents
        reward = float(sum(self.enemies[gate] for gate in set(actions.values())))
        self.enemies, self.time = self.rng.integers(11, size=3) / 10, self.time + 1
        cut = self.time >= self.max_cycles  # they would come on; only the watch is over
        if cut:
            self.agents = []
        seen, infos = {agent: self.enemies.copy() for agent in every}, {agent: {} for agent in every}
        return seen, dict.fromkeys(every, reward), dict.fromkeys(every, False), dict.fromkeys(every, cut), infos
        ### END SOLUTION

    def close(self):
        pass


# %%
from qmix_edu.exercises.chapter_16 import check_MyTeam

check_MyTeam(MyTeam)

# %% [markdown]
# Stuck? Run `check_MyTeam.hint(1)` in a cell of its own. (PettingZoo has a test as well, `parallel_api_test`; it looks
# at the form of your environment and, like ours above, cannot know what you meant.)
#
# ## 3. Look before you train
#
# Which rung does a problem need? Take one state, and let the first two agents try every pair of actions. What the pair
# is worth depends on how the team plays on; untrained, it plays on at random. Many such episodes for each pair, and
# their means are a payoff table, known up to noise.
#
# **Exercise 2.** Write `play_out`: what the team earns in one episode that begins as `reset(seed)` says, takes the
# joint action `first` (a dictionary, by agent), and from then on draws everybody's action from the generator `rng`,
# all with the same chance. `make()` makes an environment; everybody in it is paid the same.


# %% tags=["exercise"]
def play_out(make, seed, first, rng):
    """Return the sum of the team's rewards in one episode."""
    ### BEGIN SOLUTION
    env, actions, total = make(), first, 0.0
    env.reset(seed=seed)
    while env.agents:
        team = list(env.agents)
        rewards = env.step(actions)[1]
        total += rewards[team[0]]
        actions = {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}
    return total
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_16 import check_play_out

check_play_out(play_out)

# %% [markdown]
# The library's `payoff_samples(make, k, seed)` does this k times for each pair: an array `[k, m1, m2]`. We take a start
# in which both robots can lift, and two crates: a *light* one that never tips (penalty 0) and a *fragile* one
# (penalty 6).
#
# **Predict.** The lowest rung that can hold each table, of the light and of the fragile crate: write a pair of two of
# `"additive"`, `"supermodular"`, `"monotone"`, `"any"`.

# %%
my_rungs = ...


# %%
def beside_the_crate(seed):
    env = Lifting()
    env.reset(seed=seed)
    return (abs(env.cells - 2) == 1).all()


crates = {"light": partial(Lifting, penalty=0.0), "fragile": partial(Lifting, penalty=6.0)}
SEED = next(seed for seed in range(1000) if beside_the_crate(seed))
samples = {name: payoff_samples(make, k=steps(100, 10), seed=SEED) for name, make in crates.items()}

# %%
moves = ["stay", "west", "east", "lift"]
_, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for ax, (name, returns) in zip(axes, samples.items(), strict=True):
    plot_payoff(returns.mean(axis=0).round(1), ax=ax)
    ax.set_xticks(ax.get_xticks(), [*moves, "average"])
    ax.set_yticks(ax.get_yticks(), [*moves, "average"])
    ax.set_title(f"{name} crate", pad=26)

# %% [markdown]
# *What the team earns on average after each first pair of actions, if everybody goes on at random.* The means are
# noisy, so "is this table additive?" has to be asked with a tolerance. `rungs` gives, for each class, the part of the
# table that its best fit misses (`loss`), what noise alone would make it miss (`noise`, with 95 % confidence), and
# whether the first stays below the second.


# %%
def lowest(returns):
    """Return the lowest rung such that neither it nor one above it is refuted."""
    held = list(takewhile(lambda rung: rung.holds, reversed(rungs(returns))))
    return held[-1].name if held else "any"


for name, returns in samples.items():
    for rung in rungs(returns):
        print(f"{name:8s} {rung.name:13s} loss {rung.loss:.4f}  noise {rung.noise:.4f}  holds: {rung.holds}")
because = "A lone lift is harmless with the one and costs with the other; what lifting is worth depends on the partner."
reveal(my_rungs, tuple(lowest(returns) for returns in samples.values()), because)

# %% [markdown]
# **Explain.** "Holds" means: *not refuted*, at this state, with this many episodes. The averages at the edges are worth
# a look too: what an agent believes of its actions while its partner explores. In our run lifting had the best average
# even for the fragile crate. Not because it is good: it ends an episode in which random play would tip the crate again
# and again. **The table depends on how the team plays on.**
#
# So take the other extreme, a team that has become careful and never lifts after the first step. Then the first reward
# is all there is, without any noise:


# %%
def first_reward(make, joint):
    env = make()
    env.reset(seed=SEED)
    return env.step(dict(zip(env.possible_agents, joint, strict=True)))[1]["one"]


careful = np.array([[first_reward(crates["fragile"], (i, j)) for j in range(4)] for i in range(4)])
ax = plot_payoff(careful, ax=plt.subplots(figsize=(5, 3.6), layout="constrained")[1])
ax.set_xticks(ax.get_xticks(), [*moves, "average"])
ax.set_yticks(ax.get_yticks(), [*moves, "average"])
print(lowest_rung(careful).reason)

# %% [markdown]
# *The fragile crate, if the team is careful afterwards (a is to stay, d to lift).*
#
# **Predict.** Robot two lifts with probability q, else it does something harmless. From which q on is it better for
# robot one to lift than to stay? Write a number between 0 and 1.

# %%
my_q = ...

# %%
alone, together = careful[3, 0] - careful[0, 0], careful[3, 3] - careful[0, 3]  # what lifting gains at q = 0, at q = 1
reveal(
    my_q, round(alone / (alone - together), 2), "A partner who explores at random among four actions lifts with .25."
)

# %% [markdown]
# **Explain.** Random exploration is not enough, and it gets worse: who finds lifting bad lifts more rarely, and to the
# other lifting then looks worse still. A trap that closes by itself, the *relative overgeneralisation* of chapters 01
# and 02. The rung alone does not show it; the averages do.
#
# A last number to look at before training: how many joint actions are there? Here 16. The most expressive method of
# all, one value for each of them, is no luxury for a team of two.

# %% [markdown]
# ## 4. By reasoning alone
#
# Often a problem need not be played at all; it is enough to ask what the others' actions do to mine.
#
# - Does what I add depend on them? If not, the reward is **additive**: VDN.
# - Can they change *which* of my actions is best? If not, it is **monotone**.
# - If they help, do I gain *more* from acting? Then it is **supermodular** as well, and within reach of QMIX's mixer.
# - Otherwise **any**: above the reach of monotone mixing.
#
# **Exercise 3.** Six jobs for two, who may act or not. Write `rungs_of_the_jobs`: the lowest rung of each.
#
# | job | what the team earns |
# |:--|:--|
# | `"rooms"` | one sweeps a small room for 1, the other a large one for 2 |
# | `"cart"` | 10 if both push the heavy cart; one alone does not move it |
# | `"alarm"` | 1 if the alarm is rung, by one or by both |
# | `"doors"` | 1 if exactly one goes through the door; both get stuck, and nobody there is nothing |
# | `"crate"` | 10 if both lift; −6 if one does |
# | `"fire"` | the first bucket on the fire brings 2, the second 1 more |


# %% tags=["exercise"]
def rungs_of_the_jobs():
    """Return the lowest rung of each job: "additive", "supermodular", "monotone" or "any"."""
    ### BEGIN SOLUTION
    return {
        "rooms": "additive",
        "cart": "supermodular",
        "alarm": "monotone",
        "doors": "any",
        "crate": "any",
        "fire": "monotone",
    }
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_16 import check_rungs_of_the_jobs

check_rungs_of_the_jobs(rungs_of_the_jobs)

# %% [markdown]
# ## 5. Train
#
# Same steps, same settings, same seeds for everyone; only the algorithm differs. Rewards are scaled so that a return is
# near 1, and ε falls to .05 over the first 60 % of the steps. At last the team plays 64 episodes without exploring.


# %%
LEARNING = LearnerSettings(gamma=0.95, td_lambda=0.0, learning_rate=2e-3, target_interval=50, reward_scale=0.2)


def train_team(make, name, seed, total):
    """Train one team; return the greedy returns of 64 episodes."""
    env = PettingZooEnv(make, "capstone", n_envs=16, seed=seed)
    play_and_learn = TrainSettings(16, 4, 32, epsilon_steps=int(0.6 * total), eval_interval=10**9, eval_episodes=1)
    learner = getattr(algorithms, name)(env.spec, seed=seed, settings=LEARNING)
    for _ in train(env, learner, total, settings=play_and_learn, seed=seed):
        pass
    return torch.cat([play(env, learner, None, torch.Generator())[0].returns for _ in range(4)]).numpy()


# %% [markdown]
# **Predict.** VDN and QMIX on the light crate: its table is not a sum. Does a sum of utilities suffice to *play* it?
# Write `True` if you think that VDN's teams lift it (a mean return of at least 9).

# %%
vdn_suffices = ...

# %%
LIGHT_STEPS, LIGHT_SEEDS = steps(3_000, 300), range(steps(4, 2))
light = {
    name: np.array([train_team(crates["light"], name, seed, LIGHT_STEPS) for seed in LIGHT_SEEDS])
    for name in ("vdn", "qmix")
}
for name, returns in light.items():
    print(f"{name:5s}", *(f"{mean:6.1f}" for mean in returns.mean(axis=1)))
reveal(vdn_suffices, bool(light["vdn"].mean() >= 9), "Which action is best and what it is worth are two questions.")

# %% [markdown]
# **Explain.** The rung says what a method can *represent*. A table may be out of reach and its best joint action
# still be found: for the light crate lifting looks better whatever the partner does. So the ladder is a warning, not
# a verdict, and the simpler method is the one to try first.
#
# **Predict.** Now the fragile crate, with VDN, QMIX, a joint Q (one value for each pair of actions), and hysteretic
# Q-learners (independent, and hardly moved by bad news, chapter 10). Write the names of those whose interquartile mean
# reaches 9, as a set, such as `{"vdn", "qmix"}`.

# %%
my_lifters = ...

# %% [markdown]
# **Run.** Thirty-two teams, three to six seconds each.

# %%
NAMES, SEEDS, STEPS = ["vdn", "qmix", "joint_q", "hysteretic"], steps(8, 4), steps(8_000, 300)
fragile = {}
for name in NAMES:
    fragile[name] = np.array([train_team(crates["fragile"], name, seed, STEPS) for seed in range(SEEDS)])
    print(f"{name:11s}", *(f"{returns.mean():6.1f}" for returns in fragile[name]))

# %% [markdown]
# ## 6. Report
#
# Each line above holds one number for each seed, and each number is the mean of 64 episodes. What can be said about the
# *algorithm*? The **interquartile mean** (IQM), the mean of the middle half of the seeds, does not hang on one lucky
# seed, as the mean does, and uses more of them than the median. Its interval comes from a **bootstrap**: draw as many
# seeds again, *with* replacement, take their IQM, do so a few thousand times; between the 2.5th and the 97.5th
# percentile lie 95 %.
#
# **Exercise 4.** Write `my_report`: from returns `[seeds, episodes]` the IQM over seeds and the two ends of its 95 %
# interval. (`scipy.stats.trim_mean(x, 0.25, axis=-1)` is the mean of the middle half.)


# %% tags=["exercise"]
def my_report(returns):
    """Return (iqm, low, high) of an algorithm."""
    ### BEGIN SOLUTION
    from scipy.stats import trim_mean

    scores = returns.mean(axis=1)  # one number a seed: its episodes are not independent trainings
    drawn = np.random.default_rng(0).choice(scores, size=(5000, len(scores)))
    low, high = np.percentile(trim_mean(drawn, 0.25, axis=1), [2.5, 97.5])
    return trim_mean(scores, 0.25), low, high
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_16 import check_my_report

check_my_report(my_report)


# %%
def show_report(results, ax):
    for place, returns in enumerate(results.values()):
        middle, low, high = report(returns)
        ax.plot(returns.mean(axis=1), np.full(len(returns), place + 0.2), "o", color="0.6", markersize=4)
        ax.plot([low, high], [place, place], "k-", linewidth=2)
        ax.plot(middle, place, "ks", markersize=7)
    ax.set_yticks(range(len(results)), list(results))
    ax.set(ylim=(len(results) - 0.5, -0.5), xlabel="greedy return of the team", ylabel="algorithm")
    ax.grid(alpha=0.3, axis="x")


show_report(fragile, plt.subplots(figsize=(8, 3), layout="constrained")[1])

# %% [markdown]
# *Squares: the interquartile mean over the seeds; lines: its 95 % interval; dots: the single seeds.*

# %%
reached = {name for name, returns in fragile.items() if report(returns)[0] >= 9}
reveal(my_lifters, reached, "Is every difference that you see in the picture larger than its intervals?")

# %% [markdown]
# **Explain.** A return near 0 is a team that has learnt to leave the crate alone: the trap of section 3. Who learns
# from averages over an exploring partner, as a sum does, meets it first; a monotone mixer has to find the right greedy
# action from the same data. The two others do not average over the partner: the joint Q has a number for "both lift",
# the hysteretic ones hardly listen to bad news. Are these two then better for *your* problem? With ten agents of four
# actions a joint Q has a million values; and hysteretic learners take luck for skill (chapter 10).
#
# What the report does not say: how it would be with another penalty, more steps, other settings, more cells. It is
# about this environment, this number of steps, and these settings, which were tuned for none of the four.
#
# ## 7. Somebody else's environment
#
# The same works for what others wrote. `mpe2` holds "simple spread", three agents who should cover three landmarks; it
# is not part of the course: `%pip install mpe2` gets it. Level-based foraging (`lbforaging`) speaks a slightly
# different language, which `qmix_edu.envs.pettingzoo.TupleEnv` translates.

# %%
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
if find_spec("mpe2") is None:
    print("mpe2 is not installed, and nothing below needs it: %pip install mpe2, then run this cell again")
else:
    spread = partial(import_module("mpe2.simple_spread_v3").parallel_env, local_ratio=0)  # everybody is paid the same
    print("breaches:", check_conformance(PettingZooEnv(spread, "simple spread", n_envs=2)))
    print(
        "not refuted at one state:", [rung.name for rung in rungs(payoff_samples(spread, k=steps(20, 3))) if rung.holds]
    )

# %% [markdown]
# If nothing is refuted, the noise of random play drowns what one step does. That, too, is an answer: this table does
# not ask for a higher rung, so begin at the bottom, or look at another state with more episodes. A whole comparison is
# one command in a terminal, and takes about a minute of processor time for each team:
#
#     qmix-edu sweep pettingzoo/mpe2.simple_spread_v3 --algorithms iql,vdn,qmix --seeds 5
#
# Level-based foraging is called `gymnasium/lbforaging:Foraging-5x5-2p-1f-v3` there. Settings that suit one environment
# need not suit another: `docs/results.md` has what three seeds reached in both, and what had to be changed for it.
#
# ## 8. Your turn
#
# Now the same with your own: put your class here, and go through the steps. When you change the environment, begin
# again at the contract.

# %%
mine = ...  # MyTeam, say

# %%
if mine is not ...:
    print("breaches:", check_conformance(PettingZooEnv(mine, "mine", n_envs=2)))
    my_samples = payoff_samples(mine, k=steps(100, 10))
    print("lowest rung that is not refuted at this state:", lowest(my_samples))

# %%
if mine is not ...:
    my_results = {name: np.array([train_team(mine, name, seed, STEPS) for seed in range(SEEDS)]) for name in NAMES}
    show_report(my_results, plt.subplots(figsize=(8, 3), layout="constrained")[1])

# %% [markdown]
# **Hand in** this notebook's copy with your environment, and a page of text: the problem; which rung and why, *written
# before training*; the picture with its intervals; what it does not show. In a class it is marked so, two points a
# line, one for half of it:
#
# | | two points for |
# |:--|:--|
# | **Problem** | one paragraph from which another could write the environment; everybody has a part in it |
# | **Contract** | `check_MyTeam` says correct, and a test of one's own shows that rewards are what they should be |
# | **Rung** | chosen before training, by a table at a state that matters *and* by reasoning |
# | **Comparison** | a rung below and one above it; the same steps and settings; five seeds or more |
# | **Report** | interquartile means over seeds with their intervals, and all seeds shown |
# | **Limits** | what was not tried, what would change the verdict, and one finding that surprised |
# | **Repeatable** | runs from top to bottom elsewhere; seeds and settings are written down |
#
# Ten of fourteen is a good piece of work. A method that *fails* and is understood earns as much as one that wins. No
# points for the best seed, for a rung chosen after training, or for intervals over episodes.
#
# ## Three things people believe
#
# - *"It runs, so it is right."* `Careless` kept the contract and was another problem.
# - *"Choose the most expressive method."* For the light crate a sum was enough, in less than half of the steps that
#   we gave to the fragile one. And expressive methods need data for all that they could express.
# - *"More episodes make the result surer."* Of one team. The algorithm is sampled by seeds.
#
# ## What to remember
#
# - A time limit is a truncation, unless the agents see the clock. One reward for all. Seeds decide everything random.
# - Before training: a payoff table of one state, its averages, its rung, and the number of joint actions.
# - The ladder says what cannot be represented, averages say what will be believed, and both depend on how the team
#   plays on.
# - Report the interquartile mean over seeds with its interval, and what it is about.
#
# **The next question** is yours.
#
# ## Sources
#
# **Read on:** Agarwal et al., and then a paper that you like. How many seeds does it report, and would its claim
# stand in your table?
#
# - Terry et al., *PettingZoo: Gym for multi-agent reinforcement learning*, 2020
#   ([arXiv 2009.14471](https://arxiv.org/abs/2009.14471)): the interface.
# - Pardo et al., *Time limits in reinforcement learning*, ICML 2018
#   ([arXiv 1712.00378](https://arxiv.org/abs/1712.00378)): termination and truncation.
# - Agarwal et al., *Deep reinforcement learning at the edge of the statistical precipice*, NeurIPS 2021
#   ([arXiv 2108.13264](https://arxiv.org/abs/2108.13264)): interquartile means and their bootstrap.
# - Lowe et al., *Multi-agent actor-critic for mixed cooperative-competitive environments*, NIPS 2017
#   ([arXiv 1706.02275](https://arxiv.org/abs/1706.02275)): the environments of `mpe2`.
# - The crates, their tables and the results are computed above.
