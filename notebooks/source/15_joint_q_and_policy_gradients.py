# %% [markdown]
# # 15 · Central joint Q, and policy gradients
#
# **Question.** Why not one big table, or no values at all?
#
# Factorisation is a compromise: it gives away some games (chapter 08) so that agents can choose by themselves. There
# are two ways to make none. One value for every *joint* action can hold everything. And a policy can be improved
# without any table of values, by following the gradient of what the team earns. What do they cost?
#
# You will be able to
# - say how a joint table grows, in size, in time and in the data that it needs, and when it is worth it;
# - write COMA's counterfactual advantage, and show that its baseline takes away noise and nothing else;
# - say which baselines would bias the gradient;
# - say before training which matrix games a policy gradient will not solve, even if it knows every payoff.
#
# **Time needed:** 50 minutes; for about two of them the machine works. Four exercises. Before it: [03 Additive
# factorisation](03_additive_factorisation.ipynb), [04 Monotonic factorisation](04_monotonic_factorisation.ipynb).

# %%
import time
from dataclasses import replace
from functools import reduce

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.special import softmax

from matrix_games import MatrixGame, additive_fit, catalogue
from matrix_games.learners import IndependentQ, JointQ
from matrix_games.learners import play as play_tables
from qmix_edu import algorithms, joint_q, learner_settings, make_env, train
from qmix_edu.actor_critic import counterfactual_advantage as library_advantage
from qmix_edu.agents import TableAgent
from qmix_edu.exercises import chapter_15, reveal, steps
from qmix_edu.plots import plot_learning_curves
from qmix_edu.rollout import play
from qmix_edu.settings import train_settings

_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. One value for every joint action
#
# n agents with m actions each have $m^n$ joint actions. To see what that costs we take the game that is *easiest* to
# factorise: every agent brings a part of its own, and the team earns the sum.


# %%
def sum_game(n, m=4, seed=0):
    """Return a game of n agents in which each agent's action adds a part between 0 and 1."""
    parts = np.random.default_rng(seed).uniform(size=(n, m))
    return MatrixGame(f"sum-{n}", reduce(np.add, np.ix_(*parts)), "this chapter", "Every agent brings its own part.")


# %% [markdown]
# **Predict.** Teams of 1, 2, 3, … agents with four actions each play 2,000 times at random. At how many agents has
# *more than half* of the table never been played? Write a number of agents.

# %%
my_agents = ...

# %% [markdown]
# **Run.** First the size of the networks and the time of one gradient step on 32 plays, with the library's own
# learners. It refuses joint Q-learning of more than 1,024 joint actions; we lift that, for this measurement alone.

# %%
AGENTS = range(1, steps(8, 4) + 1)
joint_q.MOST_JOINT_ACTIONS = 4**8


def size_and_time(name, n):
    """Return the number of learnt weights, and the processor time of one gradient step in ms."""
    env = make_env(sum_game(n), n_envs=32, seed=0)
    learner = getattr(algorithms, name)(env.spec, seed=0)
    batch, _ = play(env, learner, 1.0, torch.Generator().manual_seed(0))
    learner.update(batch)  # the first step also sets things up
    began = time.process_time()
    for _ in range(5):
        learner.update(batch)
    return sum(w.numel() for w in learner.online.parameters()), 1000 * (time.process_time() - began) / 5


costs = {name: [size_and_time(name, n) for n in AGENTS] for name in ("joint_q", "vdn", "qmix")}

# %% [markdown]
# Then the error, after equally many plays. Rewards carry noise (standard deviation 1), payoffs are scaled so that
# over all joint actions they have standard deviation 1 too. The table keeps the mean reward of every joint action,
# and says the overall mean for those it never saw. The sum is the best additive fit to the same plays: what VDN tends
# to. A guess that ignores the actions has error 1.


# %%
def errors(payoff, plays, rng):
    """Return the RMS error over all joint actions of the joint table and of the best sum, from random plays."""
    drawn = rng.integers(payoff.size, size=plays)
    rewards = payoff.flat[drawn] + rng.normal(size=plays)
    counts = np.bincount(drawn, minlength=payoff.size)
    totals = np.bincount(drawn, weights=rewards, minlength=payoff.size)
    table = np.where(counts > 0, totals / np.maximum(counts, 1), rewards.mean()).reshape(payoff.shape)
    taken = np.eye(len(payoff))[np.transpose(np.unravel_index(drawn, payoff.shape))]  # one-hot: play, agent, action
    parts = np.linalg.lstsq(taken.reshape(plays, -1), rewards)[0].reshape(payoff.ndim, -1)
    return [float(np.sqrt(((fit - payoff) ** 2).mean())) for fit in (table, reduce(np.add, np.ix_(*parts)))]


def standard(payoff):
    return (payoff - payoff.mean()) / payoff.std()


PLAYS, GAMES = 2_000, steps(5, 2)
found = [
    [errors(standard(sum_game(n, seed=k).payoff), PLAYS, np.random.default_rng(k)) for k in range(GAMES)]
    for n in AGENTS
]
table_error, sum_error = np.mean(found, axis=1).T

# %%
_, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
LINES = {"joint_q": ("o-", "#0072B2"), "vdn": ("s--", "#D55E00"), "qmix": ("^:", "#009E73")}
for name, (line, colour) in LINES.items():
    weights, milliseconds = np.array(costs[name]).T
    axes[0].semilogy(AGENTS, weights, line, color=colour, label=name)
    axes[1].semilogy(AGENTS, milliseconds, line, color=colour)
axes[2].plot(AGENTS, table_error, "o-", color="#0072B2", label="joint table")
axes[2].plot(AGENTS, sum_error, "s--", color="#D55E00", label="sum")
axes[2].axhline(1, color="black", linewidth=0.8, linestyle=":")
axes[0].set(title="size", xlabel="agents", ylabel="learnt weights")
axes[1].set(title="time", xlabel="agents", ylabel="CPU time of a gradient step, ms")
axes[2].set(title=f"error after {PLAYS:,} plays", xlabel="agents", ylabel="RMS error (dotted: no knowledge)")
axes[0].legend()
_ = axes[2].legend()

# %% [markdown]
# **Picture.** Four actions each. Left and middle (logarithmic): the networks' size and the time of a step. Right: the
# error. Size grows fourfold with each agent as soon as the joint outputs dominate, and time follows. But look at the
# right: the *error* is there long before the machine is slow. A joint table learns about a joint action only by
# playing it, while the sum learns about an agent's action in every play in which the agent takes it.
#
# **Exercise 1.** Write `never_played`: the expected share of joint actions that do not occur in so many plays, when
# all joint actions are equally likely and plays are independent.


# %% tags=["exercise"]
def never_played(n_actions, n_agents, plays):
    """Return the expected share of the joint actions that were never played."""
    ### BEGIN SOLUTION
    return (1 - 1 / n_actions**n_agents) ** plays
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_15 import check_never_played

check_never_played(never_played)

# %%
shares = [chapter_15.never_played(4, n, PLAYS) for n in range(1, 9)]
print("never played, 1 to 8 agents:", *(f"{share:.3f}" for share in shares))
first = 1 + next(i for i, share in enumerate(shares) if share > 0.5)
reveal(my_agents, first, "One agent fewer, and nearly everything was played: the wall is steep.")

# %% [markdown]
# And the battles of this course? On `3m` three marines have 8 actions, on `27m_vs_30m` 27 marines have 35:

# %%
print(f"3m: {8**3} joint actions; 27m_vs_30m: {35.0**27:.0e}, in one state")

# %% [markdown]
# ## 2. When the table is worth it
#
# "It can represent everything" is true, and it is what a sum cannot say. So let the game be *nearly* a sum: four
# agents, and to each of the 256 joint actions something is added that no sum can hold (standard deviation .25 before
# scaling to 1).
#
# **Predict.** With how many plays does the table's error fall below that of the best sum? The sum's error tends to
# its bias and stays there. Write a number.

# %%
my_plays = ...

# %%
rng = np.random.default_rng(0)
nearly = standard(standard(sum_game(4).payoff) + rng.normal(0, 0.25, size=(4,) * 4))
budgets = np.geomspace(100, steps(100_000, 10_000), steps(25, 9)).astype(int)
pairs = np.array([np.mean([errors(nearly, plays, rng) for _ in range(3)], axis=0) for plays in budgets])
bias = additive_fit(nearly).mse ** 0.5

# %%
ax = plt.subplots(figsize=(6, 3.4), layout="constrained")[1]
ax.loglog(budgets, pairs[:, 0], "o-", color="#0072B2", markersize=4, label="joint table")
ax.loglog(budgets, pairs[:, 1], "s--", color="#D55E00", markersize=4, label="sum")
ax.axhline(bias, color="black", linewidth=0.8, linestyle=":", label="bias of the sum, exactly")
ax.set(xlabel="plays", ylabel="RMS error")
_ = ax.legend()

# %% [markdown]
# *Caption.* The root mean squared error over all joint actions against the number of plays, both axes logarithmic; each
# marker is a mean of three draws. The dotted line is the error that the best sum cannot go below.

# %%
ahead = pairs[:, 0] < pairs[:, 1]
overtakes = int(budgets[ahead.argmax()]) if ahead.any() else "later than measured"
reveal(my_plays, overtakes, "Any guess of the right order of magnitude is a good one.")

# %% [markdown]
# **Explain.** The squared error of a fit is bias² plus variance. With noise of variance σ² the variance is about σ²
# times the number of free values, divided by the plays: 256 of them for the table, 4·3 + 1 = 13 for the sum. The table
# pays σ²·256/N, the sum σ²·13/N + bias², and the two are equal at N = 243 σ²/bias²:

# %%
print(f"bias {bias:.3f}, so the table should overtake near {243 / bias**2:,.0f} plays")

# %% [markdown]
# A class that can represent more needs more data before it is better. With four agents the price is payable; each
# further agent multiplies it by four. And nobody can *execute* the table: its best joint action is found by looking at
# all entries, centrally.
#
# ## 3. No values at all
#
# Let each agent have a policy instead, a softmax of numbers (*logits*) that are its own. The team's expected payoff J
# is then a smooth function of the logits. For agent i its gradient is
#
# $$\nabla J = \mathbb{E}_{u \sim \pi}\big[\nabla \log \pi_i(u_i)\; R(u)\big],$$
#
# since $\nabla \pi = \pi\, \nabla \log \pi$ turns the derivative of a mean into a mean. So one play is one sample of
# it: no table, no maximum, any number of agents. But a sample is noisy: R contains what all the others brought. The
# remedy is a **baseline** b that is subtracted, $\nabla \log \pi_i(u_i)\,(R - b)$.
#
# The values that this needs are estimated by a network of its own, the **critic**. It takes part in training only, so
# it may see everything. COMA (*counterfactual multi-agent* policy gradients, Foerster et al. 2018) lets it estimate Q,
# the value of the joint action, and puts Q in the place of R. The baseline is what the team gets *on average over the
# agent's own actions, the others' held fixed*; the difference is the action's **advantage**:
#
# $$A_i(u) = Q(u) - \sum_{u'} \pi_i(u')\, Q(u_{-i}, u').$$
#
# **Exercise 2.** Write `counterfactual_advantage`. The others' actions are fixed; `q` holds the value of each own
# action, `policy` the probability of each, `action` is what the agent did.


# %% tags=["exercise"]
def counterfactual_advantage(q, policy, action):
    """Return how much better the action was than what the agent usually does here."""
    ### BEGIN SOLUTION
    return q[action] - policy @ q
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_15 import check_counterfactual_advantage

check_counterfactual_advantage(counterfactual_advantage)

# %% [markdown]
# **Its mean under the policy is zero**, whatever q and the policy are, since
# $\sum_u \pi(u)\,(q(u) - \bar q) = \bar q - \bar q$. The library's function, on 1,000 random rows:

# %%
generator = torch.Generator().manual_seed(0)
q = 10 * torch.randn(1_000, 1, 5, generator=generator, dtype=torch.float64)
pi = torch.randn(q.shape, generator=generator, dtype=torch.float64).softmax(dim=-1)
means = (pi * library_advantage(q, pi)).sum(dim=-1)
print(f"largest mean of an advantage: {means.abs().max():.1e}, largest advantage: {library_advantage(q, pi).max():.0f}")

# %% [markdown]
# ## 4. Does a baseline change the gradient?
#
# It must not, or we would climb another hill. For a softmax, $\nabla \log \pi(u) = e_u - \pi$, where $e_u$ has a 1 at
# the action u and 0 elsewhere.
#
# **Exercise 3.** Write `expected_gradient`: the mean of $\nabla \log \pi(u)\,\big(q(u) - b(u)\big)$ over the agent's
# own policy. `baseline` has one entry for each own action (all equal, if the baseline does not look at the action).


# %% tags=["exercise"]
def expected_gradient(policy, q, baseline):
    """Return the expected gradient in the logits, one number for each own action."""
    ### BEGIN SOLUTION
    weighted = policy * (q - baseline)
    return weighted - policy * weighted.sum()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_15 import check_expected_gradient

check_expected_gradient(expected_gradient)

# %% [markdown]
# **Predict.** Four baselines: 0; the counterfactual one; *the best of the other actions* (a natural idea: "what else
# could I have had?"); and the value of the action itself ("what I expected"). Which leave the gradient as it is? Write
# a list of four truth values, `True` where it stays the same; the first is `True`.

# %%
my_unchanged = ...

# %%
row, probabilities = np.array([4.0, 3.0, 0.0]), np.array([0.5, 0.3, 0.2])
best_other = np.array([max(np.delete(row, u)) for u in range(3)])
baselines = {
    "none": np.zeros(3),
    "counterfactual": np.full(3, probabilities @ row),
    "best other": best_other,
    "own value": row,
}
gradients = {name: chapter_15.expected_gradient(probabilities, row, b) for name, b in baselines.items()}

# %%
ax = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
for k, (name, gradient) in enumerate(gradients.items()):
    place = np.arange(3) + 0.2 * (k - 1.5)
    ax.bar(place, gradient, 0.18, label=name, edgecolor="black", hatch=["", "//", "xx", ".."][k], color=f"C{k}")
ax.axhline(0, color="black", linewidth=0.8)
ax.set_xticks(range(3), [f"{u}\nq = {v:g}, π = {p:g}" for u, v, p in zip("abc", row, probabilities, strict=True)])
ax.set(xlabel="own action", ylabel="expected gradient in its logit")
_ = ax.legend(title="baseline")

# %% [markdown]
# *Caption.* The expected policy gradient in the logit of each of the agent's three actions, one bar for each baseline.
# Under each action stand its value q and its probability π.

# %%
unchanged = [bool(np.allclose(gradient, gradients["none"])) for gradient in gradients.values()]
reveal(my_unchanged, unchanged, "A baseline may look at anything but the agent's own action.")

# %% [markdown]
# **Explain.** The baseline's own contribution is $-\sum_u \pi(u)\,b(u)\,(e_u - \pi)$. If b is the same number for all
# u, this is $-b\,(\pi - \pi) = 0$. If b depends on u, it is a gradient of its own. The value of the action itself takes
# the gradient away altogether: an agent that always gets what it expected learns nothing. With "best other", look at
# action b, the second best: the true gradient raises it. This is why COMA's critic is never shown the agent's *own*
# action of now, while the others' may be.
#
# If a baseline does not change the gradient, what is it for? For the **noise**. We enumerate all joint actions of sum
# games, so the following is exact: every agent plays uniformly, and we ask for the standard deviation of one play's
# gradient for agent 1.
#
# **Predict.** Subtract the team's mean payoff (a critic that knows the situation and nobody's action), or COMA's
# counterfactual. With eight agents, how many times noisier is the first? Write a number.

# %%
my_ratio = ...


# %%
def noise(payoff, baseline):
    """Return the standard deviation of agent 1's gradient from one play, all policies uniform."""
    rows = payoff.reshape(len(payoff), -1)  # own action, what the others do
    score = np.eye(len(rows)) - 1 / len(rows)
    squares = ((rows - baseline(rows)) ** 2).mean(axis=1) @ (score**2).sum(axis=1) / len(rows)
    true = rows.mean(axis=1) @ score / len(rows)
    return float(np.sqrt(squares - true @ true))


choices = {"none": lambda rows: 0, "team's mean": np.mean, "counterfactual": lambda rows: rows.mean(axis=0)}
noises = {
    name: [np.mean([noise(sum_game(n, seed=k).payoff, b) for k in range(10)]) for n in AGENTS]
    for name, b in choices.items()
}

# %%
ax = plt.subplots(figsize=(6, 3.4), layout="constrained")[1]
for (name, values), line in zip(noises.items(), ["^:", "s--", "o-"], strict=True):
    ax.plot(AGENTS, values, line, label=name)
ax.set(xlabel="agents", ylabel="noise of one play's gradient (s.d.)", ylim=(0, None))
_ = ax.legend(title="baseline")

# %% [markdown]
# *Caption.* The standard deviation of agent 1's gradient from one play, against the number of agents, for three
# baselines; each marker is a mean over ten sum games.

# %%
ratio = round(noises["team's mean"][-1] / noises["counterfactual"][-1], 1)
reveal(my_ratio, ratio, "In a sum game the counterfactual is the agent's own part: no other agent is in it.")

# %% [markdown]
# **Explain.** This is the problem of *credit*: who of us earned it? With the team's mean as baseline each agent's
# gradient carries the luck of all others, and the noise grows like the root of their number. The counterfactual takes
# their part away exactly. This is COMA's gain, and it is computed with the *true* Q.
#
# ## 5. COMA and its control
#
# In practice Q is learnt. COMA's critic is a network with m outputs, not $m^n$, which reads the others' actions: it
# avoids the wide output. It does not avoid having to generalise over the others' $m^{n-1}$ joint actions. The control
# is **IAC**, independent actor-critic: the same policies and the same returns, and the baseline is V, of what the agent
# alone sees. Each agent has logits of its own, in a table that begins uniform, so that nothing but the advantage
# differs.
#
# **Predict.** Eight agents in the sum game. Which team's *play* is better on the way, and which team's best guess (the
# most probable actions) is better at the end? Write two names, such as `["coma", "iac"]`.

# %%
my_winners = ...


# %%
def team(name, game, seed, plays):
    """Return an environment, a learner of policies, and its training, yet to run."""
    settings = replace(train_settings("matrix/climbing", name), epsilon_steps=3 * plays // 4, log_interval=160)
    settings = replace(settings, eval_interval=10**9, eval_episodes=32)
    env = make_env(game, settings.n_envs, seed)
    values = replace(learner_settings(env.spec.name, name), learning_rate=1e-2)
    learner = getattr(algorithms, name)(env.spec, seed=seed, agent=TableAgent, settings=values)
    return learner, train(env, learner, plays, settings=settings, seed=seed)


def scaled(game, earned):
    """0 is what random play earns, 1 the best."""
    return (earned - game.payoff.mean()) / (game.payoff.max() - game.payoff.mean())


# %% [markdown]
# And how right is COMA's critic? We compare its counterfactual advantages with the true ones, at random joint actions:
# 1 means that it ranks all actions as they are, 0 that it knows nothing.


# %%
def critic_quality(learner, game):
    """Return the correlation of the critic's advantages with the true ones, against uniform policies."""
    n, m = game.payoff.ndim, len(game.payoff)
    joint = torch.randint(m, (64, 1, n), generator=torch.Generator().manual_seed(0))
    ones = torch.ones(64, 1, n, 1)
    with torch.no_grad():
        q = learner.online["critic"](ones[:, :, 0], ones, torch.full_like(joint, m), joint)[:, 0].numpy()
    index = [tuple(u) for u in joint[:, 0].tolist()]
    true = np.array([[game.payoff[(*u[:i], slice(None), *u[i + 1 :])] for i in range(n)] for u in index])
    return np.corrcoef(*((v - v.mean(axis=-1, keepdims=True)).ravel() for v in (q, true)))[0, 1]


curves, ends, quality = {"coma": [], "iac": []}, {"coma": [], "iac": []}, []
for name in curves:
    for seed in range(steps(5, 1)):
        game = sum_game(8, seed=seed)
        learner, training = team(name, game, seed, steps(6_400, 640))
        log = [m | ({"q": critic_quality(learner, game)} if name == "coma" else {}) for m in training]
        plays, earned = np.array([(m["env_steps"], scaled(game, m["train_return"])) for m in log]).T
        curves[name].append((plays, earned))
        ends[name].append(scaled(game, log[-1]["mean_return"]))
        quality += [(plays, [m["q"] for m in log])] if name == "coma" else []

# %%
_, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
plot_learning_curves(curves, xlabel="plays", ylabel="earned in play\n(0 random, 1 best)", ax=axes[0])
plot_learning_curves(
    {"coma": quality}, xlabel="plays", ylabel="correlation of COMA's advantages\nwith the true", ax=axes[1]
)
for name, values in ends.items():
    print(f"{name:5s} most probable actions at the end earn", *(f"{value:.2f}" for value in sorted(values)))

# %% [markdown]
# *Caption.* Left: what the teams earn while they learn, on a scale from 0 (random play) to 1 (best). Right: the
# correlation of COMA's learnt advantages with the true ones. Lines: medians over the runs; bands: quartiles.

# %%
late = {name: np.mean([earned[-5:].mean() for _, earned in runs]) for name, runs in curves.items()}
winners = [max(late, key=late.get), max(ends, key=lambda name: np.mean(ends[name]))]
reveal(my_winners, winners, "Noise and bias are two different troubles.")

# %% [markdown]
# **Explain.** In our run COMA's play was ahead, as less noise promises, and its *last word* was worse: the most
# probable actions of IAC's teams were better. IAC's advantage contains the reward itself; it is noisy, and right on
# average. COMA's signal comes from the critic alone. While the critic is wrong (right picture: it ranks the actions
# poorly at first) the policy is moved, with little noise, towards what the critic mistakenly prefers; that is our
# reading of the difference. The zero mean of the advantage does not protect from it: it is zero for a wrong Q as well.
# The critic has to judge 65,536 joint actions after a few thousand plays.
#
# ## 6. Coordination
#
# "A central critic sees what everybody does, so it can coordinate them." Let the critic be perfect: we follow the
# *exact* gradient of two softmax policies, with the true payoff of every joint action. No samples, no noise.


# %%
def ascend(payoff, logits):
    """Follow the exact gradient, many starts at once; return what the most probable joint actions pay."""
    mine, yours = logits
    for _ in range(steps(4_000, 400)):
        p, q = softmax(mine, axis=1), softmax(yours, axis=1)
        gain, other = q @ payoff.T, p @ payoff  # the value of every own action, given the partner's policy
        mine = mine + 0.2 * p * (gain - (p * gain).sum(axis=1, keepdims=True))
        yours = yours + 0.2 * q * (other - (q * other).sum(axis=1, keepdims=True))
    return payoff[mine.argmax(axis=1), yours.argmax(axis=1)]


# %% [markdown]
# **Predict.** The climbing game, both policies uniform at first. What do they earn at the end? Write a number (the
# best is 11).

# %%
my_climb = ...

# %%
CLIMBING = catalogue["climbing"].payoff
print("payoffs, row = agent 1:", *CLIMBING.tolist())
print("value of each own action against a uniform partner:", CLIMBING.mean(axis=1).round(2))
climbed = float(ascend(CLIMBING, np.zeros((2, 1, 3)))[0])
reveal(my_climb, climbed, "Nothing was estimated here. The hill itself leads there.")

# %% [markdown]
# **Explain.** The gradient asks what an action is worth against the partner's *present* policy. While the partner
# explores, a is a bad idea, so both leave it, and then it is a bad idea for good: relative overgeneralisation, exactly
# as in chapter 02. A baseline cannot help, since it does not change the gradient. Nor can a better critic: this one is
# perfect.
#
# **Run.** Now the library's COMA and IAC, five seeds each, beside the exact gradient from 1,000 random starts (logits
# with standard deviation 1) and two learners of tables (1,000 runs): independent Q-learning, and one joint table.

# %%
GAMES = ["two-step-2b", "coordination", "penalty-10", "penalty-100", "climbing", "qtran"]
SEEDS = steps(5, 1)


def solved(name, game):
    """Return how many seeds of a learner end at an optimum of the game."""
    runs = [list(team(name, game, seed, steps(4_800, 320))[1])[-1]["mean_return"] for seed in range(SEEDS)]
    return sum(earned >= game.payoff.max() - 1e-6 for earned in runs)


print(f"{'ends at an optimum':20s} COMA   IAC  gradient  independent Q  joint Q")
for title in GAMES:
    game, rng = catalogue[title], np.random.default_rng(0)
    start = rng.normal(size=(2, 1_000, len(game.payoff)))
    reached = (ascend(game.payoff, start) == game.payoff.max()).mean()
    tables = [
        play_tables(game, learner, rng=rng, runs=steps(1_000, 50), plays=steps(3_000, 300)).share
        for learner in (IndependentQ(), JointQ())
    ]
    counts = {name: solved(name, game) for name in ("coma", "iac")}
    teams = "   ".join(f"{counts[name]}/{SEEDS}" for name in ("coma", "iac"))
    print(f"{title:20s}  {teams} {reached:9.2f} {tables[0]:14.2f} {tables[1]:8.2f}")

# %% [markdown]
# **Explain.** Read it by games. `two-step-2b` needs no agreement beyond what everyone finds alone, and all succeed.
# In `coordination` two optima are equally good, and *which* does not matter: from the even start a small accident
# decides, and the gradient amplifies it. With a penalty for missing each other a safe action looks better the higher
# the penalty is, and on `climbing` and `qtran` the uniform start lies on the wrong side. From other starts the gradient
# reaches the optimum now and then: where one begins decides, not the critic. The one column that does well everywhere
# is the joint table: with two agents it is affordable, and section 1 says what becomes of it.
#
# Where does COMA win, then? Compare its column with IAC's: in our run five seeds of each showed no difference worth
# reporting. A game of two has little credit to assign. COMA's place is where many agents share one reward and the
# critic has had time to become right.
#
# **Exercise 4 (open).** Write `stuck_game`: a payoff table of your own, two agents with three actions each, with one
# best joint action that the exact gradient from uniform policies misses. Think before you try: what must hold of the
# averages of rows and columns, and of the place where the two end?


# %% tags=["exercise"]
def stuck_game():
    """Return a 3 x 3 payoff table on which the policy gradient misses the best joint action."""
    ### BEGIN SOLUTION
    return [[10, -20, -20], [-20, 0, 0], [-20, 0, 5]]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_15 import check_stuck_game

check_stuck_game(stuck_game)

# %% [markdown]
# ## Three things people believe
#
# - *"A central critic solves coordination."* Section 6: not even a perfect one. It says precisely what is good against
#   partners as they are.
# - *"A baseline changes the gradient."* Section 4: not if it does not look at the agent's own action. It changes the
#   noise; and if the critic behind the *whole* advantage is wrong, that is another matter (section 5).
# - *"Joint Q is simply better, because it can represent everything."* Section 2: in the limit. Until then its
#   variance costs more than the factorisation's bias, and the limit moves away by a factor m with every agent.
#
# ## What to remember
#
# - $m^n$ joint actions: the data run out before the memory does.
# - Bias² + variance: a larger class pays with plays.
# - $\sum_u \pi(u) A(u) = 0$: the counterfactual takes away the others' noise and leaves the gradient alone.
# - The gradient judges an action against the partners' present policy. Coordination is not a matter of credit.
#
# **The next question.** Does it work on *your* problem? → [16 Capstone](16_capstone.ipynb)
#
# ## Sources
#
# **Read on:** Foerster et al. on COMA. Why can the baseline be computed in one pass of the critic for all actions of
# an agent?
#
# - Claus and Boutilier, *The dynamics of reinforcement learning in cooperative multiagent systems*, AAAI 1998: joint
#   action learners, the climbing and the penalty game.
# - Foerster, Farquhar, Afouras, Nardelli and Whiteson, *Counterfactual Multi-Agent Policy Gradients*, AAAI 2018
#   ([arXiv 1705.08926](https://arxiv.org/abs/1705.08926)): COMA, and IAC as its control.
# - Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, Machine
#   Learning 8, 1992: the gradient from samples, and baselines.
# - In this project: `qmix_edu/joint_q.py`, `qmix_edu/actor_critic.py` and their pages in `docs/algorithms`; more seeds
#   on climbing games in `docs/results.md`.
