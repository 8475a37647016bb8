# %% [markdown]
# # 13 · Inside a trained QMIX
#
# **Question.** What has the mixer learned?
#
# In chapter 12 we asked who wins. Now we open a team that does, and look at the numbers that it computes while it
# fights: every agent's utilities, the weights that the mixer gives them, and Q_tot.
#
# You will be able to
# - compute the mixer's weights, and say what they tell and what they do not;
# - measure how much an agent's choice can move Q_tot, and what a death does to it;
# - check monotonicity and IGM in states that really occurred;
# - take one moment of a battle, play out every joint action of two units, and say which rung of the ladder the table
#   needs.
#
# **Time needed:** 60 minutes; for about one of them the machine works. Four exercises. Before it: [06 Inside the
# mixer](06_inside_the_mixer.ipynb) and [12 IQL, VDN and QMIX on SMAC](12_qmix_on_smac.ipynb).

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from qmix_edu import algorithms, pretrained, train
from qmix_edu.battle_tables import RUNGS, battle_tables, rungs
from qmix_edu.battles import record_episodes
from qmix_edu.exercises import chapter_13, reveal, steps
from qmix_edu.inspection import inspect_mixer
from qmix_edu.plots import plot_payoff
from qmix_edu.widgets import BattleViewer

_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. A battle from inside
#
# Three stalkers, which shoot from a distance, against five zealots, which have to come close: the map `3s_vs_5z`. The
# team was trained with QMIX for two million steps, and comes with the package (all its teams and curves have 0.5 MB);
# how, and how its brothers and sisters from other seeds fared, is in `docs/results.md`. To train one of your own in its
# place write `RETRAIN = True`; it takes five to fifteen minutes. We let the team play four battles and record
# everything.

# %%
RETRAIN = False
env, learner = pretrained.load("3s_vs_5z", "qmix", n_envs=32, seed=0)
if RETRAIN:
    learner = algorithms.qmix(env.spec, seed=0)
    for line in train(env, learner, steps(2_000_000, 3_000), seed=0):
        print(f"\r{line['env_steps']:,} steps", end="")

# %%
record = record_episodes(env, learner, 4)
for number, episode in enumerate(record.episodes, start=1):
    print(f"battle {number}: {episode.battle.outcome} after {episode.steps} steps, allies who live:", end=" ")
    print(episode.battle.survivors[0])

# %% [markdown]
# **Picture.** Play a battle, or move the slider. Top left is the field; beside it, one row for each agent, are its
# utilities (★ its best available action, □ what it did), and a bar: the mixer's weight. Below are Q_tot and the
# discounted return that was still to come. A click on two agents (with shift for the second) chooses whose
# utilities span the two pictures at the bottom: Q_tot over both, at the state of this very moment.

# %%
viewer = BattleViewer(record)
viewer

# %% [markdown]
# The same as a still picture, in the middle of the battle. Where no viewer appears, set `viewer.step` and
# `viewer.agents = [0, 2]` and run this cell again.

# %%
viewer.step = record.episodes[0].steps // 2
_ = viewer.figure()

# %% [markdown]
# Find a moment when an enemy has just died. Find one when a stalker walks away from a zealot that it could shoot: what
# is its weapon doing (the arc around it)?
#
# **Predict.** When are the mixer's weights larger, in the first tenth of the battle or in the last? Write `"first"` or
# `"last"`.

# %%
my_time = ...

# %% [markdown]
# **Run.** We record 64 more battles, and look at twenty moments of each, at the same *shares* of its length.

# %%
battles = record_episodes(env, learner, 64).episodes
shares = np.linspace(0, 0.95, 20)


def over_the_battle(field):
    """Return a field of every battle at the 20 moments, [20, 64, ...]."""
    return np.array([[getattr(e, field)[int(share * e.steps)] for e in battles] for share in shares])


# %%
weights, q_tot, to_come = (over_the_battle(field) for field in ("weights", "q_tot", "returns_to_come"))
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for agent, dashes in enumerate(["-", "--", ":"]):
    left.plot(shares, weights[:, :, agent].mean(axis=1), dashes, label=f"agent {agent + 1}")
left.set(xlabel="share of the battle that is over", ylabel="weight $dQ_{tot}/dQ_a$, mean of 64 battles")
right.plot(shares, q_tot.mean(axis=1), label="$Q_{tot}$")
right.plot(shares, to_come.mean(axis=1), "--", label="return still to come")
right.set(xlabel="share of the battle that is over", ylabel="reward, mean of 64 battles")
_ = left.legend(), right.legend()

# %% [markdown]
# *Caption.* Means of 64 battles, against the share of the battle that is over. Left: the mixer's weight of each agent.
# Right: $Q_{tot}$, and the return that was really still to come.

# %%
first, last = weights[:2].mean(), weights[-2:].mean()
because = f"The mean weight is {first:.2f} in the first tenth and {last:.2f} in the last."
reveal(my_time, "first" if first > last else "last", because)

# %% [markdown]
# **Explain.** Two things in these pictures deserve a thought.
#
# - *The weights depend on the state.* The same utilities count differently from moment to moment. VDN has the
#   weight 1 always; that is what the hypernetworks add.
# - *Is Q_tot right?* Compare the two lines on the right, above all at their left ends. To act well a team needs its
#   *actions in the right order*; that the value is wrong by a number that all joint actions share costs it nothing.

# %%
print(f"at the first step: Q_tot {q_tot[0].mean():.2f}, and {to_come[0].mean():.2f} was still to come;")
print(f"battles won: {sum(e.won for e in battles)} of {len(battles)}")

# %% [markdown]
# ## 2. Where a weight comes from
#
# At one state QMIX's mixer is a network with fixed numbers, $Q_{tot} = w_2 \cdot \mathrm{ELU}(z) + v$ with
# $z = \sum_a Q_a w_{1,a} + b_1$; the hypernetworks made them from the state, and made $w_1$ and $w_2$ non-negative.
# Its *weight* of agent a is the slope $\partial Q_{tot} / \partial Q_a$. Recall that ELU(z) is z above zero and
# $e^z - 1$ below.
#
# **Exercise 1.** Write `mixer_gradient`: the slopes of all agents. `w1` is `[agent, hidden unit]`, `b1` and `w2` are
# `[hidden unit]`, `q` holds one utility for each agent.


# %% tags=["exercise"]
def mixer_gradient(w1, b1, w2, q):
    """Return dQ_tot/dQ_a of every agent."""
    ### BEGIN SOLUTION
    z = q @ w1 + b1
    slope = np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))
    return w1 @ (w2 * slope)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_13 import check_mixer_gradient

check_mixer_gradient(mixer_gradient)

# %% [markdown]
# Stuck? Run `check_mixer_gradient.hint(1)` in a cell of its own; there are four hints, the last one is the solution.
#
# The record holds the mixer's numbers at every step, so the formula can be held against the weights in it, which came
# from automatic differentiation:

# %%
episode = record.episodes[0]
w1, b1, w2 = (episode.mixer[name] for name in ("w1", "b1", "w2"))
ours = [chapter_13.mixer_gradient(w1[t], b1[t], w2[t], episode.chosen(t)) for t in range(episode.steps)]
print(f"largest difference in {episode.steps} steps: {np.abs(ours - episode.weights).max():.1e}")

# %% [markdown]
# ## 3. Is a weight an importance score?
#
# It is tempting to read the bars as "agent 1 matters most now". Let us measure agent 1's utility on another scale, ten
# times as large, and divide its row of $w_1$ by ten:

# %%
t = episode.steps // 2
q, scaled = episode.chosen(t), np.array([10.0, 1.0, 1.0])
before, after = episode.weights[t], chapter_13.mixer_gradient(w1[t] / scaled[:, None], b1[t], w2[t], q * scaled)
print("weights before:", before.round(3), "  after:", after.round(3))
print("hidden units unchanged:", np.allclose(q @ w1[t], (q * scaled) @ (w1[t] / scaled[:, None])))

# %% [markdown]
# Q_tot is the same for every joint action, every agent's order of actions is the same, the team plays the same
# battles; agent 1's weight is a tenth. Nothing in training fixes this scale. A weight alone is therefore no
# importance: it is an exchange rate between two currencies, and says nothing about how much is traded.
#
# What has a meaning is how much Q_tot *can* move: the agent's choice, seen through the mixer.
#
# **Exercise 2.** Write `influence`: for each agent, by how much Q_tot falls when this agent alone takes its *worst
# available* action while all the others take their best ones. `q_tot` is a function that takes one utility for each
# agent; `utilities` and `avail_actions` are `[agent, action]`.


# %% tags=["exercise"]
def influence(q_tot, utilities, avail_actions):
    """Return the loss in Q_tot by each agent's worst available action."""
    ### BEGIN SOLUTION
    best = np.where(avail_actions, utilities, -np.inf).max(axis=1)
    worst = np.where(avail_actions, utilities, np.inf).min(axis=1)
    agents = np.arange(len(best))
    return np.array([q_tot(best) - q_tot(np.where(agents == a, worst, best)) for a in agents])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_13 import check_influence

check_influence(influence)

# %% [markdown]
# **Predict.** In which share of the moments is the agent with the largest weight also the one with the largest
# influence? By chance it would be one third. Write a number between 0 and 1.

# %%
my_share = ...

# %%
moments = [(e, t) for e in battles for t in range(0, e.steps, 5)]
weight = np.array([e.weights[t] for e, t in moments])
moved = np.array(
    [chapter_13.influence(lambda q, e=e, t=t: e.mix(t, q), e.utilities[t], e.avail_actions[t]) for e, t in moments]
)
agree = float((weight.argmax(axis=1) == moved.argmax(axis=1)).mean())
reveal(my_share, round(agree, 2), f"{len(moments)} moments of 64 battles.")

# %%
_, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharex=True, sharey=True, layout="constrained")
for agent, ax in enumerate(axes):
    ax.plot(weight[:, agent], moved[:, agent], "o", color="black", markersize=3, markerfacecolor="none", alpha=0.3)
    ax.set(xlabel="weight $dQ_{tot}/dQ_a$", ylabel="influence (reward)", title=f"agent {agent + 1}")
axes[0].set_yscale("symlog", linthresh=1e-3)

# %% [markdown]
# *Caption.* Influence against weight, one picture for each agent, on the same axes; a circle is a moment of a battle.
# The vertical axis is linear below 0.001 and logarithmic above.
#
# **Explain.** Each point is an agent at a moment. At every weight there are agents whose choice hardly moves Q_tot,
# because their actions are worth nearly the same to them, and others whose choice moves it much.

# %% [markdown]
# ## 4. What happens at a death
#
# Our team rarely loses a stalker. So that there is something to see we let it play badly on purpose: with
# probability .3 an agent takes a random action.

# %%
rough = record_episodes(env, learner, 64, epsilon=0.3).episodes
deaths = Counter(3 - e.battle.survivors[0] for e in rough)
print("won:", sum(e.won for e in rough), "of 64;", "battles by stalkers lost:", dict(sorted(deaths.items())))

# %% [markdown]
# **Predict.** A zealot has just died. Compared with the step before, Q_tot `"rises"`, `"falls"`, or `"stays"` (changes
# by less than .02 on average)?

# %%
my_change = ...

# %% [markdown]
# **Exercise 3.** Write `jumps`: by how much Q_tot changes at each moment when somebody is *newly* dead. `q_tot` is
# `[T]`; `alive` is `[T + 1, unit]`, who lives at the beginning of step 0, 1, …, T - 1 and at the end. Return
# `q_tot[k] - q_tot[k - 1]` for each such step k from 1 to T - 1.


# %% tags=["exercise"]
def jumps(q_tot, alive):
    """Return the changes of Q_tot at deaths."""
    ### BEGIN SOLUTION
    died = (alive[:-1] & ~alive[1:]).any(axis=1)
    return np.diff(q_tot)[died[: len(q_tot) - 1]]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_13 import check_jumps

check_jumps(jumps)

# %%
changes = {}
for name, team in [("a stalker dies", 0), ("a zealot dies", 1)]:
    found = [chapter_13.jumps(e.q_tot, e.battle.alive[:, e.battle.teams == team]) for e in rough]
    found = changes[name] = np.concatenate(found)
    error = found.std(ddof=1) / np.sqrt(len(found))
    print(f"{name}: {len(found)} times, Q_tot changes by {found.mean():+.3f} on average, ± {1.96 * error:.3f}")
mean = changes["a zealot dies"].mean()
verdict = "stays" if abs(mean) < 0.02 else "rises" if mean > 0 else "falls"
reveal(my_change, verdict, "Q_tot is about what is still to come; the reward for the zealot has been paid.")

# %% [markdown]
# **Explain.** Q_tot is a forecast. If it were right, then on average $Q_{tot}$ of now equals the reward of this step
# plus (nearly) $Q_{tot}$ of the next moment, and only *surprises* could move it: what was going to happen anyway is in
# it already. The zealot's death was coming. A stalker's death was not, or at least not so surely.
#
# And the dead stalker itself? It has one action left, *stop*, and goes on having a utility of it, which the mixer
# goes on weighing:

# %%
stalkers = np.concatenate([e.battle.alive[:-1, :3] for e in rough])
all_weights = np.concatenate([e.weights for e in rough])
for name, chosen in [("living", stalkers), ("dead", ~stalkers)]:
    print(f"{name} stalkers: mean weight {all_weights[chosen].mean():.2f} in {chosen.sum()} cases")

# %% [markdown]
# A weight that belongs to nobody's choice: to Q_tot it is one more bias. Its *influence* is zero, as exercise 2 says
# of an agent with one available action.

# %% [markdown]
# ## 5. Is the surface curved?
#
# The hidden layer lets Q_tot bend (chapter 06), and that is how QMIX fits tables that no sum fits. Does our team use
# it? At each moment we draw 200 points within the range of the utilities that are really available, and compare Q_tot
# with its tangent plane, the weighted sum that touches it at the chosen action.
#
# **Predict.** How far does Q_tot part from this plane, at most, as a share of its range over those points? Write a
# number: 1 is the whole range, 0 a perfect plane.

# %%
my_bend = ...

# %%
dice = np.random.default_rng(0)


# %%
def bend(e, t):
    """Return the largest distance of Q_tot from its tangent plane, as a share of its range."""
    low = np.where(e.avail_actions[t], e.utilities[t], np.inf).min(axis=1)
    high = np.where(e.avail_actions[t], e.utilities[t], -np.inf).max(axis=1)
    q = low + (high - low) * dice.random((200, len(low)))
    surface = e.mix(t, q)
    plane = e.q_tot[t] + (q - e.chosen(t)) @ e.weights[t]
    return np.abs(surface - plane).max() / np.ptp(surface)


# %%
bends = np.array([bend(e, t) for e, t in moments])
middle, most = np.median(bends), np.quantile(bends, 0.95)
because = f"That is the median of {len(bends)} moments; in 95 % of them it is below {most:.4f}."
reveal(my_bend, round(float(middle), 4), because)

# %% [markdown]
# **Explain.** If this number is small, then at each *single* state the mixer is a weighted sum of utilities and a
# bias, and QMIX is then more than VDN only in that weights and bias change with the state. How much of Q_tot is that
# bias? Compare how far it moves along a battle with what all choices of one moment can move together:

# %%
along = np.mean([np.ptp(e.q_tot) for e in battles])
choices = moved.sum(axis=1).mean()
print(f"Q_tot moves by {along:.2f} along a battle; all agents' choices together move it by {choices:.3f} at a moment")

# %% [markdown]
# Most of Q_tot says *how the battle stands*; only a small part says *what to do*. It is this small part that decides,
# and a network that fits the large one well earns little by it. Whether the hidden layer was needed *while learning*
# is another question: chapter 14 takes it away.

# %% [markdown]
# ## 6. An audit
#
# The constraint makes every weight non-negative by construction. Two things it does not promise: that weights are not
# *zero* (then Q_tot does not feel the agent, and the agent does not learn), and that nothing went wrong on the
# way from the formula to the code. So we look, in states of real play: the weights, and by enumeration of *all* joint
# actions whether the agents' own best actions are the team's (IGM).

# %%
inspection = inspect_mixer(env, learner, episodes=32)
Markdown(inspection.text())

# %% [markdown]
# On the command line this is `qmix-edu inspect RUN`. That IGM holds says that the agents' greed is the greed of
# *Q_tot*. It does not say that Q_tot is right about the battle. For that we have to ask the battle.

# %% [markdown]
# ## 7. Theory meets SMAC
#
# In the first chapters somebody handed us a payoff table. Now we make one: stop a battle, clone the moment some
# thousand times, let two marines try every pair of their available actions, and play on greedily to the end. The mean
# discounted return of each pair is a payoff table of a *real* moment. We use marines against marines (`3m`): few
# actions, short battles. And of the tables we keep those of at most six actions each: there the best monotone table
# can be found for certain (chapter 04).

# %%
marines, marine_learner = pretrained.load("3m", "qmix", n_envs=32, seed=0)
everything = battle_tables(marines, marine_learner, steps(16, fast=3))
tables = sorted((t for t in everything if max(t.mean.shape) <= 6), key=lambda t: t.step)
names = ["north", "east", "south", "west", "stop", "shoot 1", "shoot 2", "shoot 3"]
table = tables[0]
ax = plot_payoff(table.mean, marked={"greedy": [table.greedy]})
rows, columns = ([names[a] for a in actions] for actions in table.actions)
ax.set_xticks([*range(len(columns)), len(columns) + 0.25], [*columns, "average"], rotation=30)
ax.set_yticks([*range(len(rows)), len(rows) + 0.25], [*rows, "average"])
games = f"marine {table.agents[1] + 1} (step {table.step}, mean of {len(table.returns)} games a cell)"
_ = ax.set(xlabel=games, ylabel=f"marine {table.agents[0] + 1}")

# %%
for name, row in zip(rows, table.mean, strict=True):
    print(f"best answer to {name:>8}: {columns[row.argmax()]}")

# %% [markdown]
# **Predict.** We have such tables of several battles, each of a random moment. For each we ask for the lowest rung
# that holds it, given the noise of its games: `"additive"`, `"supermodular"`, `"monotone"`, or `"any"`: no lower one.
# Which is the most frequent answer?

# %%
my_rung = ...

# %%
verdicts = [rungs(table.returns) for table in tables]
lowest = [next((rung.name for rung in found if rung.holds), "any") for found in verdicts]
print("step  actions      left unexplained by the best", *(f"{name:>13}" for name in RUNGS), "  lowest rung")
for table, found, name in zip(tables, verdicts, lowest, strict=True):
    contact = "in range" if max(map(max, table.actions)) > 4 else "moves only"
    sizes, losses = " x ".join(map(str, table.mean.shape)), [f"{rung.loss:13.1%}" for rung in found]
    print(f"{table.step:4}  {sizes} {contact:>11}", " " * 21, *losses, f"{name:>14}")
reveal(my_rung, Counter(lowest).most_common(1)[0][0], "None of these is a table that somebody made up.")

# %% [markdown]
# **Explain.** A line is a moment; the percentages are the share of the table's variance that the best table of the
# class leaves unexplained. Look at the rows with moves only, and at the best answers above. A monotone table needs
# *one* order of each agent's actions that is right whatever the others do. Where to walk depends on where the others
# walk, as in the coordination games of chapter 01; wherever the monotone rung fails there is no such order.
#
# Where the answer is "any", QMIX's class does not hold the values of the moment. Does that cost anything? **Regret**
# is what the best pair pays more than the greedy one. But careful: the largest of 25 noisy means is large *because*
# it is the largest.
#
# **Exercise 4.** Write `honest_regret`: the pair that looks best in the *first* half of the games, minus the greedy
# pair, both measured in the *second* half. `returns` is `[game, action of one, action of the other]`, `greedy` a pair
# (row, column).


# %% tags=["exercise"]
def honest_regret(returns, greedy):
    """Return what the pair chosen by the first half of the games gains in the second half."""
    ### BEGIN SOLUTION
    half = len(returns) // 2
    first, second = returns[:half].mean(axis=0), returns[half:].mean(axis=0)
    best = np.unravel_index(first.argmax(), first.shape)
    return second[best] - second[greedy]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_13 import check_honest_regret

check_honest_regret(honest_regret)

# %%
for table, name in zip(tables, lowest, strict=True):
    honest = chapter_13.honest_regret(table.returns, table.greedy)
    print(f"step {table.step:2}, {name:>12}: regret {table.regret:.3f} in the table, {honest:+.3f} on other games")

# %% [markdown]
# **Explain.** Put the last column beside the rungs. A table above the monotone rung *may* cost something, and it need
# not: fit is not regret (chapter 05), and the greedy pair can be the best one although the table around it is badly
# fitted. Where it does cost, the reason is not that monotone values could not have their maximum at the better pair.
# Some monotone table has its maximum at any pair you like; but what learning finds is a compromise over all the joint
# actions in its data, and the compromise lies elsewhere. Chapter 08 shows what moves it. (And all this is about
# playing on with *this* team: another one makes another table of the same moment.)
#
# **Open question.** Is the most frequent rung a property of the battle, or of this team? Ask a team that has learnt
# nothing: put `algorithms.qmix(marines.spec, seed=0)` in place of `marine_learner`. Before you run it: will more of its
# tables be sums, or fewer? How many tables would you need to be sure of a difference?

# %% [markdown]
# ## Three things people believe
#
# - *"The mixer's weights are importance scores."* Section 3: another scale of one agent's utility, another weight, the
#   same team. And a dead agent has a weight.
# - *"QMIX wins, so its Q_tot must be right."* Section 1: compare Q_tot with what was still to come. The order of the
#   actions decides.
# - *"SMAC's values are monotone, or QMIX would fail there."* Section 7: you have seen tables of real moments. Winning
#   needs a good greedy action, not a good table.
#
# ## What to remember
#
# - A mixing weight is a slope at one state. What an agent's choice moves is slope times spread, through the bend.
# - Q_tot is a forecast: it jumps at surprises, not at what was coming.
# - At a single state the surface may be all but a plane; what QMIX adds to VDN may then lie in the state.
# - Ask the real game, with noise and on fresh games, before you say that a class suffices.
#
# **The next question.** Which part does the work: the state, the hidden layer, the bias? → [14
# Ablations](14_ablations.ipynb)
#
# ## Sources
#
# **Read on:** Son et al. IGM asks for equal best actions, not for equal values. Where does their method use that
# difference?
#
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)): the mixer.
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): the condition IGM.
# - Rutherford et al., *JaxMARL*, 2023 ([arXiv 2311.10090](https://arxiv.org/abs/2311.10090)): SMAX, whose state can
#   be cloned.
