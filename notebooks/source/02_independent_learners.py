# %% [markdown]
# # 02 · Independent learners
#
# **Question.** In chapter 01 everybody knew the payoff table. What if nobody knows it, and everyone just learns?
#
# You will be able to
# - say where independent Q-learners end in a cooperative game, and why;
# - tell a partner who changes from a reward that is random;
# - write three ways to deal with low rewards: forgive some, forgive all, forgive the young;
# - say when optimism helps a team and when it misleads.
#
# **Time needed:** 50 minutes. Four exercises. Before it: [01 Cooperative matrix games](01_matrix_games.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

from matrix_games import DistributedQ, HystereticQ, IndependentQ, JointQ, LockedDistributedQ, catalogue, play
from qmix_edu.exercises import reveal, steps
from qmix_edu.plots import action_names, plot_joint_shares
from qmix_edu.widgets import LearningExplorer

games = {
    "climbing": catalogue["climbing"],
    "partly stochastic": catalogue["climbing-partially-stochastic"],
    "fully stochastic": catalogue["climbing-fully-stochastic"],
    "penalty": catalogue["penalty-10"],
}
optima = {name: game.optimum for name, game in games.items()}
names = action_names(3)  # a, b, c

# %% [markdown]
# ## 1. Everyone for themselves
#
# Nobody knows the table now. Two agents play the game again and again; after each play both see the same
# reward $r$ and nothing else. Each keeps one number for each of *its own* actions and moves the number of the
# action it took a little towards the reward:
#
# $$Q_i(a_i) \leftarrow Q_i(a_i) + \alpha\,\big(r - Q_i(a_i)\big)$$
#
# The step α, between 0 and 1, is the *learning rate*: 0.1 here. This is **independent Q-learning**, IQL. The agents
# play at random at first (ε = 1); ε falls, and over the last fifth of the plays it is 0: they play greedily. One
# run proves nothing, so we let a thousand teams learn, each with its own luck.
#
# **Predict.** In the climbing game, in what share of the thousand runs do the agents end in the best cell,
# (a, a)? Write a number from 0 to 1.

# %%
my_share = ...

# %% [markdown]
# **Run.** Four games: climbing, which you know; two forms of it with random rewards but the *same averages*;
# and a game with two equally good cells. A star marks every best cell; each number is the share of the runs, in per
# cent, that end in this cell.

# %%
RUNS, PLAYS = steps(1000, 50), steps(5000, 300)


def everywhere(learner):
    return {name: play(g, learner, rng=np.random.default_rng(0), runs=RUNS, plays=PLAYS) for name, g in games.items()}


def shares(studies):
    return {name: study.joint_shares for name, study in studies.items()}


found = {"IQL": everywhere(IndependentQ())}
_ = plot_joint_shares({"IQL": shares(found["IQL"])}, optima=optima)

# %%
reveal(my_share, found["IQL"]["climbing"].share, "Nearly all runs end in (c, c), where averages lead.")

# %% [markdown]
# **Explain.** While the partner explores, $Q_1(a)$ tracks the *average* of row a, and the -30 is in it.
# That is relative overgeneralisation, as in chapter 01; now nobody averaged on purpose. Learning from one's
# own rewards *is* averaging over the others.

# %% [markdown]
# ## 2. A partner is not noise
#
# The climbing game is deterministic: one cell, one reward, always. Yet the same action of agent 1 earns now
# -30, now 11. Look at agent 1's values, averaged over the runs, as they learn:

# %%
history = play(
    games["climbing"], IndependentQ(), rng=np.random.default_rng(0), runs=RUNS, plays=PLAYS, snapshots=steps(50, 10)
)
for action, style in enumerate(["-", "--", ":"]):
    plt.plot(history.snapshots, history.history[:, :, 0, action].mean(axis=1), style, label=f"row {names[action]}")
plt.gca().set(xlabel="plays", ylabel="value $Q_1$, mean over runs")
_ = plt.legend()

# %% [markdown]
# The values start near the averages of the rows, -6.3, -5.7 and 1.7, and then *move*: as agent 2 comes to
# prefer column c, row b climbs from bad towards 6, its payoff there. The target moves because the partner
# learns. This is **non-stationarity**.
#
# Is it a kind of noise? Noise can be averaged away, by smaller steps. Let us try that; and beside it a
# *central* learner, one table for the team's nine joint actions, in the game in which every reward is random.

# %%
slow = play(games["climbing"], IndependentQ(alpha=0.01), rng=np.random.default_rng(0), runs=RUNS, plays=PLAYS)
found["joint Q"] = everywhere(JointQ())
print(f"no noise,  IQL with small steps: {slow.share:.0%} of the runs end in the best cell")
print(f"all noise, one joint table:      {found['joint Q']['fully stochastic'].share:.0%}")

# %% [markdown]
# **Explain.** With a table of joint actions the partner is no mystery, and pure noise is averaged away. An
# independent learner in a game without any noise fails, and patience does not help it: it averages over the
# wrong thing. Random rewards and a changing partner look alike *to one agent*. They call for opposite
# remedies, and that is the trouble of this chapter.

# %% [markdown]
# ## 3. Forgive a little
#
# A low reward may be the partner's slip. So take good news seriously and bad news less so. Let
# $\delta = r - Q$ be the error:
#
# $$Q \leftarrow Q + \alpha\,\delta \quad\text{if } \delta \ge 0, \qquad
# Q \leftarrow Q + \beta\,\delta \quad\text{otherwise}, \qquad \beta < \alpha$$
#
# This is **hysteretic** Q-learning (Matignon et al. 2007).
#
# **Exercise 1.** Write `hysteretic`: the new value of the action that was played.


# %% tags=["exercise"]
def hysteretic(q, reward, alpha, beta):
    """Return the value of an action after one reward."""
    ### BEGIN SOLUTION
    error = reward - q
    return q + (alpha if error >= 0 else beta) * error
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_02 import check_hysteretic

check_hysteretic(hysteretic)

# %%
found["hysteretic"] = everywhere(HystereticQ(alpha=0.1, beta=0.01))
print(f"climbing: {found['hysteretic']['climbing'].share:.0%} of the runs end in the best cell")

# %% [markdown]
# ## 4. Forgive everything: two optima and a lock
#
# Then why not forgive *all* bad news? **Distributed** Q-learning (Lauer and Riedmiller 2000) never lowers a
# value: $Q_i(a_i) \leftarrow \max(Q_i(a_i), r)$. In a game without noise each agent ends with the highest
# reward that its action can bring, given the best partner.
#
# **Predict.** The penalty game has two best cells:

# %%
games["penalty"].payoff

# %% [markdown]
# In what share of the runs do two distributed learners end in a best cell? Write a number from 0 to 1.

# %%
my_penalty = ...

# %%
found["distributed"] = everywhere(DistributedQ())
ended = found["distributed"]["penalty"]
print(f"agent 1's values in one run: {ended.values[0, 0]}, runs that end in a tie: {ended.tied} of {RUNS}")
reveal(my_penalty, ended.share, "Each breaks its tie alone: (a, c) and (c, a) pay -10 and come up as often.")

# %% [markdown]
# The values are perfect, and half of the teams fail. Lauer and Riedmiller's algorithm has a second part: each
# agent keeps a **policy**, a habit, beside its values. The policy moves to the action just played only when
# the reward is a *new record*, above all values so far. Both see the same rewards, so both see the same
# record at the same play. The team agrees without a word. We call this the **lock**.
#
# **Exercise 2.** Write `lock`. `q` holds the agent's values *before* the play, one for each action (an array).
# `policy`, the habit, and `action`, the action just played, are indices into it. Return the new policy.


# %% tags=["exercise"]
def lock(policy, q, action, reward):
    """Return the agent's policy (an action) after it played this action and received this reward."""
    ### BEGIN SOLUTION
    return action if reward > q.max() else policy
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_02 import check_lock

check_lock(lock)

# %%
found["distributed, lock"] = everywhere(LockedDistributedQ())
for name in ("distributed", "distributed, lock"):
    low, high = found[name]["penalty"].interval
    print(f"{name:18s} {found[name]['penalty'].share:.1%} (95 % interval {low:.1%} to {high:.1%})")

# %% [markdown]
# ## 5. Now the rewards are random
#
# So far the most forgiving learner wins. In *partly stochastic* climbing (b, b) pays 14 or 0, with equal
# chances, where it paid 7. In *fully stochastic* climbing every cell pays one of two numbers. The averages are
# those of the climbing game, so (a, a), 11 on average, is still best.
#
# **Predict.** Who ends in (a, a) in more than half of its runs, when *every* cell is random? Write `"IQL"`,
# `"hysteretic"`, `"distributed, lock"` or `"nobody"` (the joint table does not count).

# %%
my_winner = ...

# %%
order = ["IQL", "hysteretic", "distributed, lock", "joint Q"]
_ = plot_joint_shares({name: shares(found[name]) for name in order}, optima=optima)

# %% [markdown]
# *Caption.* The share of runs, in percent, that end in each joint action: a row for each learner, a column for each
# game. A star marks the best joint action.

# %%
winners = [name for name in order[:-1] if found[name]["fully stochastic"].share > 0.5] or ["nobody"]
reveal(my_winner, winners[0], "IQL still averages over its partner, and the two optimists end in (b, b).")

# %% [markdown]
# **Explain.** Read the picture column by column. Without noise any optimist wins. With one noisy cell the
# learner that forgives *some* still wins most runs and the one that forgives *all* loses every one. With
# noise everywhere all three lose. Only the joint table does not care.
#
# Watch it happen, in the game where every cell is random (3000 teams learn first: some seconds). Move the time with
# the arrow keys, or press play; look at all runs, then at single ones; compare the learners. Choose the hysteretic one:
# which of its values leads from early on, and where do the teams gather as exploration falls?

# %%
learners = {"IQL": IndependentQ(), "hysteretic": HystereticQ(), "distributed, lock": LockedDistributedQ()}
noisy_game = games["fully stochastic"]
watched = {
    name: play(noisy_game, one, rng=np.random.default_rng(0), runs=RUNS, plays=PLAYS, snapshots=steps(60, 10))
    for name, one in learners.items()
}
LearningExplorer(watched)

# %% [markdown]
# ## 6. Why optimism fails
#
# An optimist who meets a low reward says: my partner slipped. Sometimes it was bad luck. And when the reward
# was high, it says: so good is my action. Sometimes it was good luck.
#
# **Exercise 3.** Write `optimist_values`: what distributed Q-learning ends with for each action of agent 1.
# `outcomes` is `[k, rows, columns]`: one table for each of the k equally likely outcomes.


# %% tags=["exercise"]
def optimist_values(outcomes):
    """Return the value of each action of agent 1 when no reward ever lowers a value."""
    ### BEGIN SOLUTION
    return outcomes.max(axis=(0, 2))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_02 import check_optimist_values

check_optimist_values(optimist_values)

# %% [markdown]
# The two outcomes of fully stochastic climbing, what optimists make of them, and what the team then earns:

# %%
from qmix_edu.exercises import chapter_02

noisy = games["fully stochastic"]
rows = chapter_02.optimist_values(noisy.outcomes)
columns = chapter_02.optimist_values(noisy.outcomes.swapaxes(1, 2))
print(noisy.outcomes)
print("optimists value the rows", rows, "and the columns", columns)
print("they play", (names[rows.argmax()], names[columns.argmax()]), end=", ")
print(f"worth {noisy.payoff[rows.argmax(), columns.argmax()]:g} on average; {noisy.payoff.max():g} is possible")

# %% [markdown]
# Say in one sentence why optimism fails here; then open the answer.
#
# <details><summary>One answer</summary>
#
# The maximum is taken over two things at once: over the partner's choice, where it is right, because the
# partner can be brought to choose well; and over the luck of the draw, where it is wrong, because nobody can
# bring luck to repeat. An agent that sees only its own action and the reward cannot tell which of the two made
# a reward low.
# </details>

# %% [markdown]
# ## 7. Forgive the young
#
# One difference is left: the partner's slips *end* when exploration ends, and noise never does. So forgive at
# first and learn the averages later. **Lenient** learning (Wei and Luke 2016) gives each action a temperature
# $T$. It starts at 50 and falls by 0.5 % with each play of the action. Bad news is forgiven (ignored) with
# probability
#
# $$l = \exp\!\Big(\!-\frac{1}{\theta\,T}\Big)$$
#
# The larger θ, the longer the forgiveness lasts. The temperature also steers exploration: an agent chooses at
# random, better actions more often, until its mean temperature falls below 2 (the thin line), then greedily.

# %%
plays_of_action = np.arange(0, 3000, 10)
temperature = 50 * 0.995**plays_of_action
for theta, style in zip([0.1, 10, 1000], ["-", "--", ":"], strict=True):
    plt.plot(plays_of_action, np.exp(-1 / (theta * temperature)), style, label=f"θ = {theta:g}")
plt.axvline(plays_of_action[temperature < 2][0], color="black", linewidth=0.8)
plt.gca().set(xlabel="plays of the action", ylabel="leniency $l$ (chance that bad news is ignored)")
_ = plt.legend()

# %% [markdown]
# **Exercise 4.** Find a θ with which at least 70 % of the runs of fully stochastic climbing end in (a, a).
# `choose_theta` returns it; the check plays 300 runs.


# %% tags=["exercise"]
def choose_theta():
    """Return a theta with which lenient learners find the optimum of fully stochastic climbing."""
    ### BEGIN SOLUTION
    return 10
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_02 import check_choose_theta

check_choose_theta(choose_theta)

# %% [markdown]
# **Predict.** Two learners are well tuned, one for the game without noise, one for the game with noise
# everywhere. Is it the same θ? Write `True` or `False`. (The next cell plays fifteen studies of 200 runs: half a minute
# or so.)

# %%
same_theta = ...

# %%
from qmix_edu.exercises.chapter_02 import play_lenient

thetas = [1, 10, 1e3, 1e5, 1e7]
runs, plays = steps(200, 20), steps(5000, 300)
best = {}
for (name, game), style in zip(list(games.items())[:3], ["o-", "s--", "^:"], strict=True):
    curve = [play_lenient(game.name, theta, runs=runs, plays=plays).share for theta in thetas]
    best[name] = thetas[int(np.argmax(curve))]
    plt.semilogx(thetas, curve, style, label=name)
plt.gca().set(xlabel="θ (more forgiving to the right)", ylabel="share of runs that end in (a, a)")
_ = plt.legend()

# %% [markdown]
# *Caption.* The share of runs that end in the best joint action, (a, a), against θ on a logarithmic axis: one line for
# each game, one marker for each study.

# %%
reveal(same_theta, best["climbing"] == best["fully stochastic"], f"The best of these five values, by game: {best}.")

# %% [markdown]
# **Explain.** No θ is best in all three games. The less noise, the more forgiveness pays; with noise
# everywhere, too much of it fails again. Nor are the curves smooth: with noise everywhere 10⁵ does better than 10³,
# and 10⁷ fails. To choose θ one must know how noisy the game is, and the agents do not know it.
#
# **Open question.** Which θ would you give to agents that do not know their game? Judge it by its worst game: the least
# of the three shares. Can you beat the best of the five values above by more than luck? Two shares of 200 runs each
# differ by luck by up to 10 points. (`play_lenient` has two more constants: where its temperatures begin, and how
# fast they fall. Read it, and `LenientQ`, and change them.)
#
# ## Two things people believe
#
# - *"More optimism is always better."* In climbing, yes. With noise everywhere the greatest optimists end in
#   (b, b) in every run, for 7 instead of 11.
# - *"Non-stationarity is noise."* Climbing has no noise at all, and small steps do not save IQL. Fully
#   stochastic climbing is all noise, and a joint table solves it.
#
# ## What to remember
#
# - Learning alone from a shared reward is averaging over the others.
# - A low reward has two possible causes, a partner's slip and bad luck. Forgive the first, learn from the
#   second; from one's own action and reward they cannot be told apart.
# - Perfect values are not a plan: with two optima independent agents need a common rule to break ties.
# - A joint table has none of these troubles. But it grows as $m^n$, and nobody can act by it alone.
#
# **The next question.** Can the team learn *one* table and everyone still act alone? →
# [03 Additive factorisation](03_additive_factorisation.ipynb)
#
# ## Sources
#
# **Read on:** Wei and Luke. Why do they let all values begin at infinity, where ours begin at 0?
#
# - Tan, *Multi-agent reinforcement learning: independent vs. cooperative agents*, ICML 1993.
# - Claus and Boutilier, *The dynamics of reinforcement learning in cooperative multiagent systems*, AAAI
#   1998: climbing, penalty, joint and independent learners.
# - Lauer and Riedmiller, *An algorithm for distributed reinforcement learning in cooperative multi-agent
#   systems*, ICML 2000: the maximum and the lock.
# - Kapetanakis and Kudenko, *Reinforcement learning of coordination in cooperative multi-agent systems*, AAAI
#   2002: the stochastic forms of climbing.
# - Matignon, Laurent and Le Fort-Piat, *Hysteretic Q-learning*, IROS 2007.
# - Wei and Luke, *Lenient learning in independent-learner stochastic cooperative games*, JMLR 17(84), 2016.
#   Here values start at 0, and their exploration constant ω is 1, so shares differ from theirs.
# - All shares and values are computed above.
