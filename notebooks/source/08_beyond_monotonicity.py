# %% [markdown]
# # 08 · Beyond monotonicity; sacrifice
#
# **Question.** QMIX's class, the monotone tables, stops one rung below the top (and its mixer, with one hidden layer,
# one lower still: chapter 06). How do we climb the last rung, and what does it cost?
#
# You will be able to
# - name three ways to the top: weigh the errors, add conditions, correct the mixer; and say what each promises;
# - write Weighted QMIX's weight and QTRAN's losses, and express any table with one best cell by hand;
# - say why "the best cell is in the argmax" and "the agents play it" are two things;
# - decide when a sacrifice is monotone, and when it is not;
# - give a game in which more expressive is worse.
#
# **Time needed:** 75 minutes. Five exercises. Before it: [04 Monotonic factorisation,
# exactly](04_monotonic_factorisation.ipynb) and [06 Inside the mixer](06_inside_the_mixer.ipynb).

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from matrix_games import (
    MatrixGame,
    alpha_of_recovery,
    catalogue,
    central_fit,
    is_igm,
    lowest_rung,
    monotone_fit,
    optimistic_fit,
)
from qmix_edu import gradient_fit, train
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.envs.small import MatrixGameEnv
from qmix_edu.exercises import chapter_08, reveal, steps
from qmix_edu.learner import LearnerSettings
from qmix_edu.plots import plot_fits
from qmix_edu.settings import train_settings
from qmix_edu.widgets import LadderExplorer

torch.set_num_threads(1)
qtran, climbing, mg3 = catalogue["qtran"], catalogue["climbing"], catalogue["mg3"]

# %% [markdown]
# ## 1. The top rung
#
# One game on each rung of chapter 04's ladder. Each class holds what stands on its rung and below:

# %%
standing = {"a sum": [[0, 1], [1, 2]], "two-step-2b": catalogue["two-step-2b"], "or": catalogue["or"], "qtran": qtran}


def stand(figure, step, name, payoff):
    """Draw a table on a step of the ladder, under the name of the lowest class that holds it."""
    ax = figure.add_axes((0.05 + 0.25 * step, 0.1 + 0.19 * step, 0.16, 0.24))
    ax.imshow(payoff, cmap="cividis")
    for (i, j), value in np.ndenumerate(payoff):
        light = (value - payoff.min()) / np.ptp(payoff) > 0.5
        ax.text(j, i, f"{value:g}", ha="center", va="center", color="black" if light else "white")
    ax.set_xticks(range(payoff.shape[1]), "abc"[: payoff.shape[1]])
    ax.set_yticks(range(payoff.shape[0]), "abc"[: payoff.shape[0]])
    ax.set(xlabel="agent 2", ylabel="agent 1", title=f"{lowest_rung(payoff).name}: {name}")


figure = plt.figure(figsize=(9, 5.5))
for step, (name, game) in enumerate(standing.items()):
    stand(figure, step, name, np.asarray(getattr(game, "payoff", game), dtype=float))

# %% [markdown]
# *Caption.* The payoffs of four games, each above the lowest class that holds it. The numbers are the payoffs; the
# colours go from each table's lowest payoff (dark) to its highest (light).
#
# On the top rung stands *any* table. Chapter 06 has shown that being there is not enough: a mixer with free
# signs fits QTRAN's game, and its agents no longer find the best cell. What we want is a table of any form
# **together with utilities whose greedy choice is its best cell**: IGM, and no more than IGM. (Where several
# cells are best, the choice may be any of them.)
#
# **Predict.** Is there a table with no such utilities? `True` or `False`.

# %%
my_hopeless_table = ...


# %%
def point_at_the_best(payoff):
    """Utilities that are 0 for the actions of one best cell and -1 for all others."""
    best = np.unravel_index(payoff.argmax(), payoff.shape)
    return [np.where(np.arange(m) == action, 0.0, -1.0) for m, action in zip(payoff.shape, best, strict=True)]


rng = np.random.default_rng(0)
tables = [game.payoff for game in catalogue.values()] + [rng.normal(size=(3, 4)) for _ in range(1000)]
hopeless = not all(is_igm(table, point_at_the_best(table)) for table in tables)
print(is_igm(qtran, [[0, -1, -1], [0, -1, -1]]).reason)
reveal(
    my_hopeless_table, hopeless, f"All {len(tables)} tables have them: let each agent prefer its part of a best cell."
)

# %% [markdown]
# **Explain.** In a one-step game IGM excludes nothing. QTRAN's game, XOR, climbing: for each there are
# utilities that point at a best cell. A class that holds every table with such utilities is called
# **IGM-complete**. The monotone class is not, so what it misses is a price of the *class*, not of acting alone.
#
# (A unit that does not see the state is another matter: it has the same utilities in all states that look
# alike.)
#
# ## 2. First way: neglect what promises nothing
#
# Keep QMIX, and change the loss. A joint action that pays *less* than $Q_{tot}$ says need not be fitted well,
# as long as the good ones are. **Weighted QMIX** multiplies the squared errors by
#
# $$w = 1 \text{ where } Q_{tot} < y,\ \alpha \text{ elsewhere (optimistic, OW)}\qquad
# w = 1 \text{ at the best joint action},\ \alpha \text{ elsewhere (central, CW)}$$
#
# with $\alpha \le 1$. The class stays the monotone one; what changes is which of its tables is the best fit.
# Who knows the target $y$ and the best joint action? A second, unrestricted network, learnt beside it. Here we
# have the table itself.
#
# **Exercise 1.** Write `optimistic_weight` for arrays.


# %% tags=["exercise"]
def optimistic_weight(q_tot, target, alpha):
    """Return the weight of each squared error: 1 where the target is higher, alpha elsewhere."""
    ### BEGIN SOLUTION
    return np.where(target > q_tot, 1.0, alpha)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_08 import check_optimistic_weight

check_optimistic_weight(optimistic_weight)

# %% [markdown]
# The game MG3 is QTRAN's game with two other good cells: 6 at (b, b) and at (c, c). Unweighted, it has
# several best monotone fits; none plays the 8.
#
# **Predict.** All cells alike in the data, central weights: up to which α do the agents play the 8? Write a
# number between 0 and 1.

# %%
my_alpha = ...

# %%
fits = {f"CW, α = {alpha:g}": central_fit(mg3, alpha) for alpha in (1, 0.6, 0.4)}
values = {name: fit.values for name, fit in fits.items()}
_ = plot_fits(mg3.payoff, values, greedy={name: fit.greedy for name, fit in fits.items()})
for name, fit in fits.items():
    pays = sorted({float(mg3.payoff[cell]) for cell in fit.greedy})
    print(f"{name}: best tables: {len(fit.solutions)}; greedy agents earn {' or '.join(f'{x:g}' for x in pays)}")

# %%
recovery = alpha_of_recovery(mg3, central_fit)
for low, high, how in recovery.pieces:
    print(f"α from {low:.4f} to {high:.4f}: {how}")
reveal(my_alpha, round(recovery.greedy_up_to, 4), "Between this and 0.68 the 8 is in the argmax, and not alone there.")

# %% [markdown]
# (The picture shows the first of the best tables and outlines the greedy cells of all of them; its MSE counts
# all cells alike.)
#
# Three words: **greedy**, the agents play it for certain; **tied**, it is among the highest entries of the
# fitted table, but the agents can choose, or do choose, something else; **lost**, it is not there.
#
# At α = 0.6 the 8 is tied: (a, a) is in the argmax of every best table, and the agents earn -12. A place in the
# argmax is worth nothing to a team that does not reach it by choosing alone.
#
# The theorem of the paper says: for a small enough α the best joint action is in the argmax of the fit. In our
# words: "tied" at the least.
#
# **Predict.** The climbing game, central weights, α = 0.1. What does the team earn?

# %%
my_earnings = ...

# %%
fit = central_fit(climbing, 0.1)
_ = plot_fits(climbing.payoff, {"CW, α = 0.1": fit.values.round(3) + 0.0}, greedy={"CW, α = 0.1": fit.greedy})
print("greedy:", fit.greedy)
reveal(my_earnings, climbing.payoff[fit.greedy[0]], "(a, a) ties with three others, and c is never worse than a.")

# %% [markdown]
# **Explain.** The fit has four cells of the same highest value, (a, a) among them: the theorem holds. But in
# this table c is at least as good as a *whatever the other does*, and sometimes better. So the utilities rank c
# above a, and the agents play (c, c). Being in the argmax is a property of the table, being played one of the
# utilities.
#
# Now all α, both weights, several games:

# %%
colours = {"greedy": "#0072B2", "tied": "#F0E442", "lost": "#999999"}
games = {name: catalogue[name].payoff for name in ("qtran", "mg3", "mg1", "climbing", "penalty-100")}
games["(3, 0; 0, 4)"] = np.array([[3.0, 0.0], [0.0, 4.0]])
grid = np.linspace(0.01, 1, steps(100, 6))
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for ax, (title, projection) in zip(axes, {"central": central_fit, "optimistic": optimistic_fit}.items(), strict=True):
    for name, payoff in games.items():
        for low, high, how in alpha_of_recovery(payoff, projection, alphas=grid).pieces:
            ax.barh(name, high - low, left=low, color=colours[how], edgecolor="black", linewidth=0.5)
    ax.set(title=f"{title} weights", xlabel="α", xlim=(0, 1))
axes[0].set_ylabel("game")
handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()]
_ = figure.legend(handles, colours, loc="outside upper center", ncols=3)

# %% [markdown]
# Of the five named games only QTRAN's is "greedy" all along, and it was right without any weights: its trouble
# is learning. With optimistic weights, MG3 is tied at best. And smaller is not always better: mg1 (its
# best cell pays 10.4, six others 10) is tied, lost, and tied again. Look at the top row, a table of four numbers:

# %%
small = np.array([[3, 0], [0, 4]])
for alpha in (0.5, 0.1):
    fit = optimistic_fit(small, alpha)
    print(f"α = {alpha}: greedy {fit.greedy}, which pays {[int(small[cell]) for cell in fit.greedy]}")
    print(fit.values.round(3))

# %% [markdown]
# With α = 0.5 the team plays the 4. With α = 0.1 the fit hardly minds to overrate a 0, so it lets (b, b) tie
# with a cell that pays 0 in order to save the 3, and the agents play the 0. The change is at 1/7. So α is no
# knob that one turns down until it works.
#
# ## 3. Second way: two conditions
#
# **QTRAN** lets a joint value $Q_{jt}$ learn the table freely. The agents choose by a *sum* of utilities, which
# need not be the table. Write $u$ for a joint action, $u_a$ for agent a's part in it, $u^*$ for the agents' greedy
# joint action, V for a number that is learnt too, and $D(u) = \sum_a Q_a(u_a) - Q_{jt}(u) + V$. Two conditions bind
# the sum to the table:
#
# $$D(u^*) = 0, \qquad D(u) \ge 0 \text{ for all } u .$$
#
# They are enough: no joint action has a higher $Q_{jt}$ than $u^*$, because
# $Q_{jt}(u) - V \le \sum_a Q_a(u_a) \le \sum_a Q_a(u^*_a) = Q_{jt}(u^*) - V$.
#
# **Exercise 2.** Write `qtran_losses`: $L_{opt} = D(u^*)^2$, and $L_{nopt}$, the mean of $\min(D(u), 0)^2$ over
# all joint actions.


# %% tags=["exercise"]
def qtran_losses(utilities, joint, v):
    """Return (L_opt, L_nopt); utilities are two arrays, joint is the table Q_jt, v is a number."""
    ### BEGIN SOLUTION
    gaps = np.add.outer(utilities[0], utilities[1]) - joint + v
    greedy = utilities[0].argmax(), utilities[1].argmax()
    return gaps[greedy] ** 2, (np.minimum(gaps, 0) ** 2).mean()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_08 import check_qtran_losses

check_qtran_losses(qtran_losses)

# %% [markdown]
# In QTRAN's game the utilities (0, -1, -1) for both agents choose the 8, and $V = 8$ makes $D(a, a) = 0$.
#
# **Predict.** The utilities (0, -10, -10) choose the 8 as well, more clearly. Is $L_{nopt}$ still 0? Write its
# value.

# %%
my_nopt = ...

# %%
settings = {"right, gently": ([0, -1, -1], 8), "right, clearly": ([0, -10, -10], 8), "wrong": ([-1, 0, 0], 0)}
for name, (utility, v) in settings.items():
    opt, nopt = chapter_08.qtran_losses([utility, utility], qtran.payoff, v)
    print(f"{name:15s} utilities {utility!s:13s} V = {v}:  L_opt {opt:.2f}   L_nopt {nopt:.2f}")

# %%
clear = chapter_08.qtran_losses([[0, -10, -10]] * 2, qtran.payoff, 8)[1]
reveal(my_nopt, clear, "In the block the sum is -20, and Q_jt - V is -8: the sum lies 12 too low, in 4 of 9 cells.")

# %% [markdown]
# **Explain.** Both losses 0 is *sufficient* for the right choice. It is not necessary: the second team plays
# right with a loss of 64. The third plays wrong, and no V gets it off: $L_{opt} = 0$ forces V = 0, and then the
# sum lies below the 8. The right utilities must be gentle: the steps down are small against the differences
# between payoffs. The price of this way: a sum learns from inequalities, and most cells meet them long before
# it is right.
#
# ## 4. Third way: correct the mixer
#
# Take the sum, and look at how far each joint action is below the agents' own choice: $A(u) = \sum_a
# \big(Q_a(u_a) - \max Q_a\big) \le 0$, and 0 at the choice. Now *scale* it, by any positive number for each
# joint action:
#
# $$Q_{tot}(u) = b + w(u)\,A(u), \qquad w(u) > 0 .$$
#
# Where A is 0 it stays 0, and what is below stays below. So the agents' choice is the best cell, for any w: IGM
# by construction, with no condition to be learnt. **QFIX** is this with a network for w, another for b, and the
# sum or QMIX's mixer underneath (its authors' w is our w less 1); **QPLEX** scales every agent's part by a
# weight of its own.
#
# **Exercise 3.** Write `fix_by_hand(payoff)` for a table with one best cell: utilities (a list of two arrays),
# the table w, and b, such that $b + w A$ *is* the payoff.


# %% tags=["exercise"]
def fix_by_hand(payoff):
    """Return utilities, w and b that express the table exactly."""
    ### BEGIN SOLUTION
    best = np.unravel_index(payoff.argmax(), payoff.shape)
    utilities = [np.where(np.arange(m) == action, 0.0, -1.0) for m, action in zip(payoff.shape, best, strict=True)]
    advantage = np.add.outer(*utilities)
    w = np.ones(payoff.shape)
    below = advantage < 0
    w[below] = (payoff[below] - payoff.max()) / advantage[below]
    return utilities, w, payoff.max()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_08 import check_fix_by_hand

check_fix_by_hand(fix_by_hand)

# %% [markdown]
# **Predict.** QTRAN's game has utilities (0, -1, -1), b = 8, and w = 20 where one agent plays a. An untrained
# agent has utilities close together. Say (0, -0.01, -0.01): what must w be there?

# %%
my_w = ...

# %%
for low in (-1, -0.1, -0.01):
    advantage = np.add.outer([0, low, low], [0, low, low])
    w = (qtran.payoff - 8)[advantage < 0] / advantage[advantage < 0]
    print(f"utilities (0, {low}, {low}):  w =", sorted({round(x) for x in w.tolist()}))
reveal(my_w, round(w.max()), "The nearer the tie, the larger w.")

# %% [markdown]
# **Explain.** Every table with one best cell is within reach: the top rung, IGM-complete. But on the way from
# wrong utilities to right ones two actions must overtake each other, and at the tie w would have to be
# infinite. *Representable* is once more not *found*.
#
# ## 5. Does learning find it, and what does it cost?
#
# QTRAN's game as the library trains it: full exploration, the actions shuffled (so that nobody profits from a
# being the first), two seeds for each method. The ten trainings take about two minutes together.
#
# **Predict.** How many of these five earn 8 in *both* runs: `qmix`, `ow_qmix`, `qtran_base`, `qplex`,
# `qfix_sum`?

# %%
my_number = ...

# %%
SETTINGS = replace(
    train_settings("matrix/qtran"),
    **{"n_envs": 256, "batch_size": 256, "updates_per_round": 8, "eval_interval": 10**9, "eval_episodes": 1},
)


def trained(algorithm, seed):
    """Train on the shuffled game; return the learner and the last row of its log."""
    orders = [np.random.default_rng([seed, agent]).permutation(3) for agent in range(2)]
    env = MatrixGameEnv(MatrixGame("qtran", qtran.payoff[np.ix_(*orders)], qtran.source), SETTINGS.n_envs, seed)
    learner = ALGORITHMS[algorithm](env.spec, seed=seed, settings=LearnerSettings(td_lambda=0.0, learning_rate=5e-3))
    *_, last = train(env, learner, steps(80, 2) * SETTINGS.n_envs, settings=SETTINGS, seed=seed)
    return learner, last


methods = ("qmix", "ow_qmix", "qtran_base", "qplex", "qfix_sum")
runs = {}
for name in methods:
    runs[name] = [trained(name, seed) for seed in range(2)]
    print(f"{name}: two teams are trained")

# %%
print("method       seed   earns       loss   parameters   CPU seconds")
for name, pair in runs.items():
    for seed, (learner, last) in enumerate(pair):
        parameters = sum(p.numel() for p in learner.online.parameters())
        print(f"{name:12s} {seed}   {last['mean_return']:6.0f} {last['loss']:10.2f}", end="")
        print(f"   {parameters:10,d} {last['cpu_seconds']:13.1f}")

# %%
both = sum(all(last["mean_return"] == 8 for _, last in pair) for pair in runs.values())
reveal(my_number, both, "To hold the table is one thing, to find it in every run another.")

# %% [markdown]
# **Explain.** In these runs QMIX earns 0 as in chapter 04. OW-QMIX and QTRAN find the 8 both times. QPLEX and
# QFIX *hold* the table, so their loss could be 0, and each misses the 8 in one of two runs. Look at the loss
# (of the last batch) there: it has not settled at something small and wrong, it is *large*. Section 4 names a
# suspect: near a tie w must be huge, and a huge w makes huge errors. Two seeds show that this happens, not how
# often.
#
# The bill: OW-QMIX has more than ten times QMIX's parameters, for its second network, and takes more than twice
# the time. QTRAN has a joint value beside its utilities too, a small one. QPLEX and QFIX cost about as much as
# QMIX, and pay in learning that is less sure.
#
# ## 6. More expressive, and worse
#
# So far the cells were known. A team knows them from *plays*, and plays are noisy. A class that holds every
# table also holds every accident of the data.
#
# Two games of about the same size: a sum of six actions each, and QTRAN's, divided by 4. Every cell is seen a
# few times, with noise of standard deviation 1. One team fits a sum. The other has a class that holds every
# table; its best fit is the data themselves, and it plays their highest cell.
#
# **Predict.** One play of each cell, the game that is a sum. Which team misses less, `"sum"` or `"any"`?

# %%
my_better_team = ...

# %%
ramp = np.arange(6) / 2
plays, rng = [1, 2, 4, 8, 16, 32], np.random.default_rng(0)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
missed = {}
noisy_games = {"a sum": np.add.outer(ramp, ramp), "QTRAN / 4": qtran.payoff / 4}
for ax, (name, payoff) in zip(axes, noisy_games.items(), strict=True):
    earned = [chapter_08.noisy_play(payoff, n, rng, draws=steps(4000, 400)) for n in plays]
    missed[name] = {k: [payoff.max() - pair[i].mean() for pair in earned] for i, k in enumerate(("sum", "any"))}
    for kind, style in (("sum", "o-"), ("any", "s--")):
        ax.plot(plays, missed[name][kind], style, label=f"fits {'a sum' if kind == 'sum' else 'any table'}")
    ax.set(title=name, xlabel="plays of each cell", ylabel="mean regret (payoff)", xscale="log")
    ax.set_xticks(plays, plays)
axes[0].set_ylim(bottom=-0.05)
axes[0].legend()
first = {kind: losses[0] for kind, losses in missed["a sum"].items()}
reveal(my_better_team, min(first, key=first.get), "A row's mean averages six accidents; a cell's value is one.")

# %% [markdown]
# **Explain.** What a class cannot represent it also cannot mistake for the truth. Where the assumption holds it
# is knowledge for free. Where it fails (right), more plays only make the team surer of the sum's choice, which pays 0
# where 2 is possible, and the free class is right after a few. With many agents the cells are never seen often: that
# is why one does not just learn the whole table.
#
# **Exercise 4 (open).** Write `game_for_the_sum()`: a table of 2 to 8 actions for each agent in which, after
# *one* noisy play of each cell, the sum earns at least 0.1 more. There are many.


# %% tags=["exercise"]
def game_for_the_sum():
    """Return a payoff table in which the less expressive team earns more."""
    ### BEGIN SOLUTION
    one_good_action = np.array([2.0, 0, 0, 0, 0, 0])
    return np.add.outer(one_good_action, one_good_action)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_08 import check_game_for_the_sum

check_game_for_the_sum(game_for_the_sum)

# %% [markdown]
# ## 7. Sacrifice
#
# "QMIX cannot learn that one unit must die for the others: no unit would raise the team's value by its own
# death." Is this so?
#
# Two units of different kinds: a **shield** with the actions *hide, shoot, block*, where to block is to die,
# and a **gunner** with *hide, shoot, heal*. One number for the team.
#
# **Exercise 5.** Write `sacrifice_game()`: a 3×3 table (rows: the shield's actions, in this order; columns: the
# gunner's) whose best joint action needs the block, in which the partner matters, *and which is monotone*.


# %% tags=["exercise"]
def sacrifice_game():
    """Return a monotone payoff table in which the shield must die for the win."""
    ### BEGIN SOLUTION
    return np.array([[0, 1, 0], [0, 2, 0], [0, 10, 0]])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_08 import check_sacrifice_game

check_sacrifice_game(sacrifice_game)

# %% [markdown]
# Now a fight with a rule instead of a table. One enemy. If the shield blocks and the gunner shoots, the enemy
# falls: 10 points. A shield that blocks dies. A gunner that shoots without cover dies too. Every survivor is
# worth a bonus to the team.


# %%
def fight(bonus):
    """Team payoffs; rows: the shield hides, blocks; columns: the gunner hides, shoots."""
    payoff = np.zeros((2, 2))
    for block, shoot in np.ndindex(2, 2):
        survivors = (not block) + (block or not shoot)
        payoff[block, shoot] = 10 * (block and shoot) + bonus * survivors
    return payoff


print("no bonus:", fight(0).tolist(), "   bonus 1:", fight(1).tolist())

# %% [markdown]
# **Predict.** On which rung does the fight stand without a bonus, and with a bonus of 1? Write `"additive"`,
# `"supermodular"`, `"monotone"` or `"any"` for each.

# %%
my_rung_without, my_rung_with = ..., ...

# %%
found = tuple(lowest_rung(fight(bonus)).name for bonus in (0, 1))
mine = ... if my_rung_without is ... else (my_rung_without, my_rung_with)
reveal(mine, found, "Not the death breaks the order, but the price of dying for nothing.")

# %%
print(lowest_rung(fight(1)).reason)
for bonus in (0, 1, 6):
    fit = monotone_fit(fight(bonus))
    pays = [float(fight(bonus)[cell]) for cell in fit.greedy]
    print(f"bonus {bonus}: best monotone fit {fit.values.round(2).tolist()}, greedy {fit.greedy} pays {pays}")

# %%
explorer = LadderExplorer(fight(1))
explorer

# %% [markdown]
# The same as a still picture (run `explorer.figure()` again for a table of your own):

# %%
_ = explorer.figure()

# %% [markdown]
# **Explain.** Without a bonus to block is never worse, whatever the gunner does: the rows are comparable, and
# the fight is AND. With a bonus a block in vain costs a survivor: the rows cross, and the table leaves the
# monotone class. Change the explorer's (b, a) to 2 and (a, b) to 2, so that dying for nothing is free again,
# and see it return.
#
# And even then the best monotone fit plays the win, here with every bonus tried: not representable, and right.
#
# What, then, is the shield's *utility* for its own death? Learn the fight without bonus:

# %%
learnt = gradient_fit(MatrixGame("fight", fight(0), "this chapter"), seeds=20, steps=steps(full=600, fast=30))
blocks = learnt.utilities[0][:, 1] > learnt.utilities[0][:, 0]
print("runs in which the shield's utility is higher for blocking than for hiding:", int(blocks.sum()), "of 20")

# %% [markdown]
# The shield prefers to die. A utility is not what the unit is paid, and says nothing of how it fares: it ranks
# actions by what the *team* gets. Were each unit paid for its own survival, the shield would hide, and that
# would be another problem than the one that QMIX solves.
#
# ## Three things people believe
#
# - *"Sacrifice violates monotonicity."* A sacrifice that is never worse for the team than living, whatever the
#   partner does, breaks nothing. One that costs the team when it is in vain does.
# - *"Weighting guarantees the greedy action."* It guarantees, for small α, a place in the argmax. On climbing
#   the agents play (c, c) all the same, and with α too small (3, 0; 0, 4) goes from right to 0.
# - *"More expressive is always better."* Not with few plays, where the game is simple; and not where learning
#   misses what the class holds.
#
# ## What to remember
#
# - In one step IGM excludes no table: there are always utilities that point at a best cell.
# - Three ways up: weigh the errors (WQMIX, which stays monotone and fits another table), two conditions on a
#   free joint value (QTRAN), a correction that is 0 at the agents' choice (QPLEX, QFIX). QPLEX and
#   QFIX reach every table with one best cell; QTRAN's conditions can be met on each of these too.
# - "In the argmax" and "what the agents play" differ where there are ties.
# - The price: more networks, weights that explode near a tie, inequalities that say little, and more data.
#
# **The next question.** A table was enough so far. What changes when it is gone, and networks see observations,
# over many steps? → [09 From DQN to many agents](09_from_dqn_to_many_agents.ipynb)
#
# ## Sources
#
# **Read on:** Baisero et al. What do they say that QPLEX can represent, and what must a fix be made of?
#
# - Rashid et al., *Weighted QMIX*, NeurIPS 2020 ([arXiv 2006.10800](https://arxiv.org/abs/2006.10800)).
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): IGM, the two
#   conditions, the game.
# - Wang et al., *QPLEX*, ICLR 2021 ([arXiv 2008.01062](https://arxiv.org/abs/2008.01062)).
# - Baisero et al., *Fixing incomplete value function decomposition*, 2025 ([arXiv
#   2505.10484](https://arxiv.org/abs/2505.10484)): QFIX.
# - The fights, the values of α and the counts are computed above.
