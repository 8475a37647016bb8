# %% [markdown]
# # 04 · Monotonic factorisation, exactly
#
# **Question.** A sum keeps everybody's argmax right, but so does anything that *rises* in every utility. What
# is the most general mixing that does, and is it enough?
#
# You will be able to
# - read *the* picture of this course: joint actions on the plane of utilities, $Q_{tot}$ above it, the greedy
#   corner;
# - decide whether a table is monotone, by hand and by code;
# - find the best monotone fit of a game, all of them if there are several, and say what the team would play;
# - tell apart what a class of tables *can* do and what learning *finds* in it;
# - name the lowest of four classes that holds a table, and prove it.
#
# **Time needed:** 70 minutes. Four exercises. Before it: [03 Additive
# factorisation](03_additive_factorisation.ipynb).

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import nnls

from matrix_games import (
    additive_fit,
    catalogue,
    is_monotone,
    lowest_rung,
    monotone_fit,
    monotone_fraction,
    supermodular_fit,
    uniform_game,
)
from qmix_edu.exercises import reveal, steps
from qmix_edu.plots import count_violations, plot_fits, plot_landscape, plot_landscape_3d
from qmix_edu.widgets import LadderExplorer

# %% [markdown]
# ## 1. The picture
#
# Give each agent's actions a utility. A joint action is then a *point on the plane* of utilities, and a
# mixing function $Q_{tot}(Q_1, Q_2)$ is a *surface above it*. Here is the two-step game's 2B (0, 1, 1, 8)
# with the utilities 0 and 1 for both agents and the mixing $Q_1 + Q_2 + 6\,Q_1 Q_2$:

# %%
q = np.linspace(-0.1, 1.1, 25).round(2)
q1, q2 = q[:, None], q[None, :]
surface = q1 + q2 + 6 * q1 * q2

figure = plt.figure(figsize=(11, 4.6), layout="constrained")
plot_landscape_3d(q, q, surface, ([0, 1], [0, 1]), ax=figure.add_subplot(1, 2, 1, projection="3d"))
_ = plot_landscape(q, q, surface, ([0, 1], [0, 1]), ax=figure.add_subplot(1, 2, 2))

# %% [markdown]
# The surface is no plane: all four values are right. And it *rises in each direction*. So whoever raises its
# own utility raises the team's value, whatever the other does. Each agent climbs its own axis, and together
# they arrive at the top right corner of the grid, the **greedy corner**. No point of the grid is higher. That
# is IGM, and all it took is
#
# $$\frac{\partial Q_{tot}}{\partial Q_i} \ge 0 \quad\text{for every agent } i.$$
#
# This is **QMIX**'s idea: *any* mixing that rises in every utility, not just the sum. (And any mixing at all
# of the *state*; that is chapter 07.)
#
# **Predict.** $Q_1 + Q_2 - 2\,Q_1 Q_2$ gives XOR's table (0, 1, 1, 0) exactly. Where will the agents end,
# `"(a, a)"`, `"(a, b)"`, `"(b, a)"` or `"(b, b)"`?

# %%
my_end = ...

# %%
bent = q1 + q2 - 2 * q1 * q2
_ = plot_landscape(q, q, bent, ([0, 1], [0, 1]))
reveal(
    my_end,
    "(b, b)",
    f"It pays 0. The surface falls along {count_violations(bent)} steps of the grid (hatched): IGM is lost.",
)

# %% [markdown]
# ## 2. Which tables are monotone?
#
# A utility is only a position on an axis, so it *orders* the agent's actions. A table is **monotone** if
# there is an order of the rows and an order of the columns in which it never falls, to the right or
# downwards.
#
# Here are seven tables, row by row:

# %%
games = ["or", "and", "xor", "two-step-2b", "coordination", "climbing", "qtran"]
for name in games:
    print(f"{name:12s}", catalogue[name].payoff.tolist())

# %% [markdown]
# **Predict.** Which of them are monotone? Write a set of names, such as `{"or", "xor"}`.

# %%
my_monotone_games = ...

# %% [markdown]
# **Exercise 1.** Write `is_monotone_table(payoff)` for two agents: return `True` or `False`. Do not try all orders:
# look at *pairs* of rows, and of columns.


# %% tags=["exercise"]
def is_monotone_table(payoff):
    """Return True if some order of rows and columns makes the table rise."""

    ### BEGIN SOLUTION
    def comparable(rows):
        return all((a >= b).all() or (b >= a).all() for a in rows for b in rows)

    return comparable(payoff) and comparable(payoff.T)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_04 import check_is_monotone_table

check_is_monotone_table(is_monotone_table)

# %%
found = {name for name in games if is_monotone(catalogue[name].payoff)}
reveal(my_monotone_games, found, "In the others two rows cross: each is better in some column.")

# %% [markdown]
# Such a verdict can be proved. The library gives the orders, or the two actions that cross and where:

# %%
for name in ("two-step-2b", "climbing", "coordination"):
    print(f"{name}: {is_monotone(catalogue[name]).reason}")

# %% [markdown]
# How common are monotone tables? Count them among 12,000 random ones of each size (this takes some seconds):

# %%
rng = np.random.default_rng(0)
GAMES = steps(12_000, 600)
for size in (2, 3):
    monotone = sum(bool(is_monotone(uniform_game((size, size), rng))) for _ in range(GAMES))
    share = monotone_fraction((size, size))
    print(f"{size}×{size}: {monotone} of {GAMES}; expected {float(GAMES * share):.0f}, a share of {share}")
print("2×2×2:", monotone_fraction((2, 2, 2)), "  4×4:", monotone_fraction((4, 4)))

# %% [markdown]
# The expected shares come from counting. Four different numbers make a monotone 2×2 table when the highest stands
# opposite the lowest: one time in three. Nine numbers can fill a 3×3 table in 9! ways; 42 of them rise along both axes,
# times 3! orders of the rows and 3! of the columns, and 42 · 36 / 9! = 1/240.
#
# Rare, and rarer with every action. So QMIX will nearly always have to *approximate*. How well, and how does
# it then play?
#
# ## 3. The best fit in one order, and in all
#
# Say that we fix an order. A table that rises in that order is a sum of **steps up**: a constant, plus
# positive amounts on regions that contain, with a cell, everything above it. Finding the best positive
# amounts is a convex problem with one solution. Here it is, for a table whose rows and columns are taken in
# the orders given, worst first:


# %% tags=["lesson"]
def best_in_order(payoff, rows, columns):
    """Mean squared error of the best table that rises along these orders of rows and columns."""
    ordered = payoff[np.ix_(rows, columns)]
    m, k = ordered.shape
    # a region is given by the first column that belongs to it, in each row; it starts no later in a higher row
    starts = [s for s in itertools.product(range(k + 1), repeat=m) if list(s) == sorted(s, reverse=True)]
    regions = [np.arange(k) >= np.array(s)[:, None] for s in starts]
    # nnls allows positive amounts only; the constant may be negative, so minus one everywhere is a step of its own
    steps_up = np.array([*regions, -np.ones((m, k))], dtype=float).reshape(-1, m * k)
    amounts, _ = nnls(steps_up.T, ordered.ravel())
    return ((amounts @ steps_up - ordered.ravel()) ** 2).mean()


qtran = catalogue["qtran"]
for order in ("abc", "cba"):
    ranks = ["abc".index(action) for action in order]
    print("worst to best", " < ".join(order), " MSE", round(best_in_order(qtran.payoff, ranks, ranks), 3))

# %% [markdown]
# Over all orders together the problem is *not* convex: each order is a convex piece, and the best of all
# pieces must be found by looking at each.
#
# **Exercise 2.** Write `count_orders(n_actions)`: the number of pieces for agents with these numbers of
# actions.


# %% tags=["exercise"]
def count_orders(n_actions):
    """Return in how many ways all agents' actions can be ordered; n_actions is a tuple such as (3, 3)."""
    ### BEGIN SOLUTION
    from math import factorial, prod

    return prod(factorial(m) for m in n_actions)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_04 import check_count_orders

check_count_orders(count_orders)

# %% [markdown]
# ## 4. QTRAN's game: 8 or 0?
#
# The game pays 8 for (a, a), -12 if just one plays a, and 0 otherwise. In chapter 03 the best sum chose 0.
# You may have read that QMIX fails on it too.
#
# **Predict.** All nine cells count alike. What does a team earn that acts on the *best monotone fit*, 8 or 0?

# %%
my_payoff = ...

# %%
fit = monotone_fit(qtran.payoff)
plane = additive_fit(qtran.payoff)
_ = plot_fits(
    qtran.payoff,
    {"best sum": plane.values, "best monotone": fit.values},
    greedy={"best sum": plane.greedy, "best monotone": fit.greedy},
)

# %% [markdown]
# *Caption.* QTRAN's payoffs, their best sum and their best monotone fit, on one colour scale. Outlined: the best cell
# of the payoffs, and what agents that act on each fit may choose.

# %%
reveal(my_payoff, qtran.payoff[fit.greedy[0]], "One step up at (a, a), the mean of all the others, -6, elsewhere.")

# %% [markdown]
# The best monotone fit is **right**, and there is only one (`fit.solutions` has one entry). It gets most
# values wrong, and it plays 8.
#
# Then where does the famous failure come from? Look at the best loss for each choice of *who stands on top*:


# %%
def best_with_on_top(payoff, row, column):
    """The least loss over all orders that end with this row and this column."""
    orders = list(itertools.permutations(range(3)))
    pairs = itertools.product([r for r in orders if r[-1] == row], [c for c in orders if c[-1] == column])
    return min(best_in_order(payoff, r, c) for r, c in pairs)


losses = np.array([[best_with_on_top(qtran.payoff, i, j) for j in range(3)] for i in range(3)])
losses.round(3)

# %% [markdown]
# Row and column say which actions stand on top: 32 with (a, a), 35.556 in the block that pays 0. So the class prefers
# the right answer. Now let gradient descent look for it: the mixing network that QMIX uses (chapter 06 takes it
# apart), utilities as free numbers, all nine cells in every step, twenty different starts. The run takes some seconds.
#
# **Predict.** How many of the twenty end with the team earning 8? Write a number from 0 to 20.

# %%
my_successes = ...

# %%
import torch

from qmix_edu.gradient_fit import gradient_fit

torch.set_num_threads(1)  # networks this small are much faster on one core
learnt = gradient_fit(qtran, seeds=20, steps=steps(full=2000, fast=30))
print("loss from", float(learnt.mse.min().round(3)), "to", float(learnt.mse.max().round(3)))
print(learnt.tables[0].round(2) + 0.0)
reveal(
    my_successes, int((learnt.greedy_payoff == 8).sum()), "All starts end in the piece where a stands at the bottom."
)

# %% [markdown]
# **Explain.** The table that it finds, -8 along the border and 0 in the block, is the best one *in its
# piece*. To leave the piece, one agent's action a must overtake b or c. At the moment when it draws level,
# the two rows are equal. How bad is the best table with rows a and b equal?

# %%
rows_a_b = qtran.payoff[:2]
level = monotone_fit([rows_a_b.mean(axis=0), qtran.payoff[2]], weights=[[2, 2, 2], [1, 1, 1]])
float((level.mse + ((rows_a_b - rows_a_b.mean(axis=0)) ** 2).sum() / 9).round(3))

# %% [markdown]
# So between the valley at 35.556 and the one at 32 lies a hill of at least this height, 44.222. Gradient descent
# starts on the side of the averages (action a averages worst), rolls into the near valley, and stays. So say it
# exactly: **QMIX can represent a right answer to QTRAN's game; learning does not find it.** (With other *data* the
# near valley moves: explore less and -8 becomes -12. That is chapter 05.)
#
# ## 5. A better fit that plays worse
#
# The penalty game has two optima, (a, a) and (c, c), both 10. Mixing them up, (a, c) or (c, a), pays -10; (b, b) is
# safe and pays 2; the other cells pay 0.
#
# **Predict.** The best sum plays (b, b) and earns 2. The best monotone fit fits better (MSE 31 instead of
# 45). What does it earn? Write a number.

# %%
penalty = catalogue["penalty-10"]
my_earnings = ...

# %%
fit = monotone_fit(penalty.payoff)
names = [f"monotone {k + 1} of {len(fit.solutions)}" for k in range(len(fit.solutions))]
_ = plot_fits(penalty.payoff, dict(zip(names, fit.solutions, strict=True)))

# %% [markdown]
# Two best fits, mirror images. Where do the agents go in each? Several cells share the top value 2, but an
# agent chooses *alone*.
#
# **Exercise 3.** Write `greedy_corner(fitted)`: the set of joint actions that the agents can choose in a
# monotone table. A row qualifies if no other row is better in any column.


# %% tags=["exercise"]
def greedy_corner(fitted):
    """Return the set of (row, column) that are best for each agent, whatever the other does."""
    ### BEGIN SOLUTION
    rows = [i for i, row in enumerate(fitted) if (row >= fitted - 1e-9).all()]
    columns = [j for j, column in enumerate(fitted.T) if (column >= fitted.T - 1e-9).all()]
    return set(itertools.product(rows, columns))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_04 import check_greedy_corner

check_greedy_corner(greedy_corner)

# %%
print("greedy:", fit.greedy)
reveal(my_earnings, penalty.payoff[fit.greedy[0]], "Each fit sends the two agents to different optima.")

# %% [markdown]
# **Explain.** The fit lowers its loss where it can: it gives up both tens to get one -10 right. The corner
# lands on the *other* -10. A lower loss is no promise of better play.
#
# **Open question.** How much worse can the better fit play? Take a 3×3 table with payoffs from 0 to 10, of which one
# alone is 10. `monotone_fit(table).greedy` and `additive_fit(table).greedy` are the joint actions that the two teams
# may choose. We know a table of whole numbers in which the monotone team earns 0 and the additive one 9. Find one: by
# thinking, or by drawing some thousand tables at random.
#
# ## 6. Four fits of XOR
#
# **Exercise 4.** Write `xor_fits(low, high)`: all best monotone fits of `[[low, high], [high, low]]` with low
# < high, as a list of tables. By hand: which cells meet at their mean?


# %% tags=["exercise"]
def xor_fits(low, high):
    """Return the list of all best monotone tables."""
    ### BEGIN SOLUTION
    payoff = np.array([[low, high], [high, low]], dtype=float)
    fits = []
    for odd in np.ndindex(2, 2):
        fitted = np.full((2, 2), (payoff.sum() - payoff[odd]) / 3)
        fitted[odd] = payoff[odd]
        fits.append(fitted)
    return fits
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_04 import check_xor_fits

check_xor_fits(xor_fits)

# %%
xor = catalogue["xor"]
fit = monotone_fit(xor.payoff)
for table in fit.solutions:
    corner = monotone_fit(table).greedy
    print(table.round(3).tolist(), "chooses", corner, "which pays", [int(xor.payoff[cell]) for cell in corner])

# %% [markdown]
# The same loss, 1/6, four times. Two of the four play right. Which one a learner ends in is a matter of its
# start, so a program that reports *the* best monotone fit of a game reports an accident: this library returns
# all of them.

# %% [markdown]
# ## 7. The ladder
#
# Sums are monotone, and much is monotone that is no sum. Between them stands a class that chapter 06 will need:
# tables in which helping *adds up*. A monotone table is **supermodular** if what an agent gains by a better action
# never shrinks when another agent takes a better action too:
#
# $$F(k, l) - F(i, l) \;\ge\; F(k, j) - F(i, j) \quad\text{for } k \text{ above } i,\; l \text{ above } j .$$
#
# With "=" it is a sum. So the classes form a ladder:
#
# **additive** ⊂ **monotone and supermodular** ⊂ **monotone** ⊂ **any table**
#
# **Predict.** On which rung do AND (0, 0, 0, 1) and OR (0, 1, 1, 1) stand? Write `"additive"`, `"supermodular"`,
# `"monotone"` or `"any"` for each.

# %%
my_and, my_or = ..., ...

# %%
found = tuple(lowest_rung(catalogue[name]).name for name in ("and", "or"))
mine = ... if my_and is ... else (my_and, my_or)
reveal(mine, found, "In AND both are needed; in OR the second helper adds nothing, so its gain shrinks.")

# %%
LadderExplorer(catalogue["or"].payoff)

# %% [markdown]
# The explorer marks the lowest rung that holds the table, and draws why the rung below does not. Change one payoff of
# OR so that it climbs down one rung, then one so that it needs the top one.
#
# A higher rung never fits worse. The loss of each class on four games:

# %%
for name in ("two-step-2b", "or", "climbing", "penalty-10"):
    fits = {"sum": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}
    print(f"{name:12s}", {kind: round(fit(catalogue[name]).mse, 3) for kind, fit in fits.items()})

# %% [markdown]
# ## 8. How far can one compute exactly?
#
# The number of pieces explodes: 6 agents with 3 actions have 6⁶ = 46,656 orders, two agents with 7 actions 25 million.
# Beyond a certain size the library searches some orders only. Then it says so, and gives two numbers between which the
# best loss lies.

# %%
for shape in ((4, 4), (3, 3, 3), (7, 7)):
    fit = monotone_fit(uniform_game(shape, np.random.default_rng(0)))
    kind = "exact" if fit.exact else "best found"
    print(f"{shape}: {kind} loss {fit.mse:.5f}, and no monotone table is below {fit.lower_bound:.5f}")

# %% [markdown]
# ## Three things people believe
#
# - *"QMIX cannot represent QTRAN's game."* It cannot represent the *table*. The best monotone fit plays the
#   optimum; gradient descent misses it.
# - *"The best monotone fit is unique."* Penalty has two, XOR four.
# - *"A better fit plays better."* On penalty(-10) the monotone fit has the lower loss and earns -10, where
#   the sum earns 2.
#
# ## What to remember
#
# - Joint actions are points on the plane of utilities; $Q_{tot}$ is a surface above; monotone means that the
#   greedy corner is the highest point.
# - A table is monotone if all rows are comparable and all columns are. Sums are monotone; 0, 1, 1, 8 is
#   monotone and no sum.
# - The class is a union of convex pieces, one for each order of the actions. Inside a piece fitting is easy;
#   between pieces there are hills.
# - Four rungs: additive, supermodular, monotone, any. A verdict comes with its proof: orders, or actions that cross.
# - Ask three questions, always apart: can the class represent it? does the best fit play it? does learning
#   find it?
#
# **The next question.** All cells counted alike here. But a team that learns sees some cells often and others
# hardly ever: two papers print different numbers for the same cell of the same game, and both are right. → [05 Data
# matters; fit is not regret](05_data_matters.ipynb)
#
# ## Sources
#
# **Read on:** Rashid et al., ICML 2018. Which of the three questions of "What to remember" does each of its experiments
# answer?
#
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)), and JMLR 21(178),
#   2020 ([arXiv 2003.08839](https://arxiv.org/abs/2003.08839)).
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): the 3×3 game.
# - Claus and Boutilier, AAAI 1998: the penalty game.
# - The exact fits, the losses by corner, the hill and the twenty trainings are computed above.
