# %% [markdown]
# # 03 · Additive factorisation (VDN)
#
# **Question.** Averages mislead, yet agents who act alone need numbers of their own. Can the *team* learn one
# table, and everyone still act alone?
#
# You will be able to
# - fit the best sum of individual utilities to any payoff table, by hand;
# - say which part of a table such a sum can see, and how large that part is;
# - say when a team that learns *together* chooses no better than agents who learn alone.
#
# **Time needed:** 50 minutes. Five exercises. Before it: [01 Cooperative matrix
# games](01_matrix_games.ipynb).

# %%
import numpy as np

import matrix_games
from matrix_games import additive_fit, catalogue, gaussian_game, is_additive
from qmix_edu.exercises import reveal
from qmix_edu.plots import plot_fit_3d, plot_fits
from qmix_edu.widgets import PayoffExplorer

# %% [markdown]
# ## 1. One table for the team, one list for each
#
# Write the team's value as a sum of what each agent knows of itself:
#
# $$Q_{tot}(a_1, a_2) = Q_1(a_1) + Q_2(a_2)$$
#
# This is **VDN**, *value-decomposition networks*. Learning is joint: *one* error, payoff minus $Q_{tot}$, for
# the whole team. Acting is separate: a sum is largest when each term is, so every agent just takes its own
# best action. IGM holds by construction.
#
# The game below, table 2B of chapter 00, pays 8 if both play b, and almost nothing otherwise. How well does the best
# sum fit it, when every joint action is seen equally often? "Best" means: the least *mean squared error* (MSE), the
# average over all cells of the square of payoff minus sum.

# %%
two_b = catalogue["two-step-2b"]
fit = additive_fit(two_b.payoff)
print("payoff", two_b.payoff.tolist(), " fit", fit.values.tolist(), " greedy", fit.greedy)

# %%
_ = plot_fit_3d(two_b.payoff, fit.values, utilities=fit.utilities)

# %% [markdown]
# A sum is a **plane** over the utilities. The large points are the payoffs, the small white ones the sum; the black
# bars between them are what the sum misses. The plane cannot bend up to 8 at the far corner, and it misses everywhere
# by the same 1.5, twice above and twice below. All four values are wrong, and the choice is right.

# %% [markdown]
# ## 2. The best plane, by hand
#
# **Exercise 1.** Write `additive_table`: the sum that is nearest to a table, in mean squared error over all
# cells. You need nothing but averages: of the rows, of the columns, of everything.


# %% tags=["exercise"]
def additive_table(payoff):
    """Return the best additive table, of the same shape."""
    ### BEGIN SOLUTION
    rows = payoff.mean(axis=1, keepdims=True)
    columns = payoff.mean(axis=0, keepdims=True)
    return rows + columns - payoff.mean()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_03 import check_additive_table

check_additive_table(additive_table)

# %% [markdown]
# So row i's utility is its average, up to a constant: the very number that misled us in chapter 01.
#
# **Predict.** QTRAN's game, named after the paper that it comes from (Son et al. 2019), has three actions each. It pays
# 8 if both play a, -12 if just one does, and 0 otherwise. What does VDN's team earn? Write a number.

# %%
qtran = catalogue["qtran"]
my_payoff = ...

# %%
fit = additive_fit(qtran.payoff)
_ = plot_fits(qtran.payoff, {"VDN": fit.values}, greedy={"VDN": fit.greedy})

# %% [markdown]
# *Caption.* The payoffs (left, the best cell outlined) and VDN's fit (right, the cells its agents may choose outlined),
# on one colour scale. MSE is the mean squared error over all cells.

# %%
earned = {qtran.payoff[cell] for cell in fit.greedy}
reveal(my_payoff, earned.pop(), "Action a averages (8 - 12 - 12) / 3 = -5.33, the others -4.")

# %% [markdown]
# **Explain.** Four cells tie at the top, all of them worth 0. The team *saw* the 8, a ninth of all its data.
# A plane has no place for it.

# %% [markdown]
# ## 3. How much of a table is additive?
#
# **Exercise 2.** Write `explained_variance`: the share of the payoffs' variance that a fit explains. 1 is a
# perfect fit, 0 is no better than the same number everywhere. Return one number.


# %% tags=["exercise"]
def explained_variance(payoff, fitted):
    """Return the share of the variance of the payoffs that the fitted table explains."""
    ### BEGIN SOLUTION
    return 1 - ((payoff - fitted) ** 2).mean() / payoff.var()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_03 import check_explained_variance

check_explained_variance(explained_variance)

# %% [markdown]
# **Predict.** Fill a 3×3 table with independent random numbers. Which share of their variance will the best sum
# explain, on average? Write a number from 0 to 1.

# %%
my_share = ...


# %%
def share_explained(size, rng):
    payoff = gaussian_game((size, size), rng).payoff
    return 1 - additive_fit(payoff).mse / payoff.var()


rng = np.random.default_rng(0)
shares = {size: np.mean([share_explained(size, rng) for _ in range(2000)]) for size in (2, 3, 4, 5)}
for size, share in shares.items():
    print(f"{size} actions: {share:.3f} explained on average    2 / (m + 1) = {2 / (size + 1):.3f}")

# %%
reveal(my_share, round(shares[3], 2), "Of m² - 1 directions in which a table can vary, sums have 2(m - 1).")

# %% [markdown]
# **Explain.** A table of m × m cells varies in m² - 1 directions around its average. A sum has m - 1 of its
# own for each agent, and 2(m - 1) / (m² - 1) = 2 / (m + 1). The rest is *interaction*: what actions do only
# together. It grows with the number of actions, and faster with the number of agents: n agents give
# n(m - 1) / (mⁿ - 1).

# %%
for n in (2, 3, 4, 5):
    print(f"{n} agents, 3 actions each: a sum explains {float(matrix_games.explained_variance((3,) * n)):.1%}")

# %% [markdown]
# ## 4. Which tables *are* sums?
#
# Random tables are sums with probability 0. When is a given one? Call the table F. Take two rows and two columns; the
# four cells where they cross are a **2×2 minor**. In a sum, going from row i to row k changes the payoff by
# $Q_1(k) - Q_1(i)$, *whatever* the column. So
#
# $$F(k, l) - F(i, l) = F(k, j) - F(i, j) \quad\text{for all rows } i, k \text{ and columns } j, l,$$
#
# and if that holds for all minors the table is a sum (take row 0 and column 0 as the measure).
#
# **Exercise 3.** Write `is_sum`. Payoffs are measured numbers: let differences below 10⁻⁹ pass.


# %% tags=["exercise"]
def is_sum(payoff):
    """Return True if the table is a sum of a row utility and a column utility."""
    ### BEGIN SOLUTION
    return bool(np.abs(payoff - payoff[:1] - payoff[:, :1] + payoff[0, 0]).max() < 1e-9)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_03 import check_is_sum

check_is_sum(is_sum)

# %% [markdown]
# The library's version brings its proof: the utilities, or the minor that no sum can hold.

# %%
for table in ([[1, 2], [4, 5]], two_b.payoff, qtran.payoff):
    print(is_additive(table).reason)

# %% [markdown]
# Play with it: change one cell of the table below and watch the best sum (second picture, "additive fit") miss it. Its
# *loss* is the MSE; its *regret* is the best payoff minus the payoff of the greedy choice. The other two pictures
# belong to chapters 04 and 06, the slider of the data to chapter 05.

# %%
PayoffExplorer([[1, 2, 4], [3, 4, 6], [0, 1, 3]])

# %% [markdown]
# ## 5. Does the team choose better than loners?
#
# An **independent learner** (IQL) knows its own action and the reward. It learns the average of the reward
# given its action, over whatever its partner does.
#
# **Exercise 4.** Write `iql_choice`: the joint action of two independent learners after each has seen the
# other play by a fixed policy (an array: a probability for each action). No ties occur.


# %% tags=["exercise"]
def iql_choice(payoff, policy_1, policy_2):
    """Return (row, column): each agent's best action on average over the other's policy."""
    ### BEGIN SOLUTION
    return (payoff @ policy_2).argmax(), (policy_1 @ payoff).argmax()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_03 import check_iql_choice

check_iql_choice(iql_choice)

# %% [markdown]
# **Predict.** Draw 1000 random games with random policies. VDN fits the whole team's table, weighted by how
# often each cell is played. In how many games does it choose *differently* from the independent learners? Write a
# number from 0 to 1000.

# %%
my_number = ...


# %%
def chooses_differently(rng):
    payoff = gaussian_game((3, 3), rng).payoff
    policy_1, policy_2 = rng.dirichlet(np.ones(3), size=2)
    alone = ((payoff @ policy_2).argmax(), (policy_1 @ payoff).argmax())
    return additive_fit(payoff, weights=np.outer(policy_1, policy_2)).greedy != (alone,)


different = sum(chooses_differently(rng) for _ in range(1000))
reveal(my_number, different, "When agents explore independently, VDN's utilities are IQL's averages, up to constants.")

# %% [markdown]
# **Why, in three lines.** Cell (i, j) is played with probability $p_i q_j$. VDN minimises
# $\sum_{ij} p_i q_j\,(R_{ij} - u_i - v_j)^2$. At the minimum the derivative by $u_i$ is 0, and $p_i$ cancels:
#
# $$u_i = \sum_j q_j R_{ij} - \sum_j q_j v_j .$$
#
# The first term is IQL's value of row i; the second is the same number for every row. So both rank the rows alike,
# and the columns too. (For n agents the others' joint policy takes the place of q; the proof is the same.)
#
# In a one-shot game, then, VDN does *not* cure relative overgeneralisation. What it gains over IQL shows in games
# of several steps: chapter 12 measures it in battles.
#
# The argument needs independent policies. Data in which the agents' actions are correlated break it: such as those of a
# team that long played (a, a) and now plays (b, b), stored together. Draw the weights of the nine cells at random, and
# count again:


# %%
def differs_when_correlated(rng):
    payoff = gaussian_game((3, 3), rng).payoff
    played = rng.dirichlet(np.ones(9)).reshape(3, 3)
    rows = (played * payoff).sum(axis=1) / played.sum(axis=1)
    columns = (played * payoff).sum(axis=0) / played.sum(axis=0)
    return additive_fit(payoff, weights=played).greedy != ((rows.argmax(), columns.argmax()),)


different = sum(differs_when_correlated(rng) for _ in range(1000))
print(f"{different} of 1000 games: VDN and the independent learners choose differently")

# %% [markdown]
# ## 6. A bad fit and a good choice
#
# **Exercise 5 (open).** Write `badly_fitted_game(size)`: a table of `size` × `size` (3 or more) with one best cell,
# of which VDN explains less than a quarter, and in which VDN's only greedy choice is the best cell.


# %% tags=["exercise"]
def badly_fitted_game(size):
    """Return a payoff table that VDN fits badly and plays right."""
    ### BEGIN SOLUTION
    payoff = np.eye(size)
    payoff[0, 0] = 1.2
    return payoff
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_03 import check_badly_fitted_game

check_badly_fitted_game(badly_fitted_game)

# %% [markdown]
# ## 7. Whose merit is it?
#
# Each agent has its own utilities now. Do they tell what it contributes? Add 100 to everything agent 1
# believes, and take 100 from agent 2:

# %%
u1, u2 = additive_fit(catalogue["climbing"].payoff).utilities
before = u1[:, None] + u2[None, :]
after = (u1 + 100)[:, None] + (u2 - 100)[None, :]
np.allclose(after, before)

# %% [markdown]
# Same team value, same choices, same loss: nothing in the data can tell these apart. Only *differences
# within* one agent's utilities mean something. A utility is not a wage.
#
# ## Three things people believe
#
# - *"VDN learns each agent's own contribution."* Utilities float: constants can move from one agent to
#   another.
# - *"VDN solves relative overgeneralisation."* Not in one-shot games: it chose as IQL in every game above.
# - *"A bad fit means a bad choice."* Exercise 5, and the game of section 1.
#
# ## What to remember
#
# - VDN: one shared error, a sum of utilities, and everyone acts alone. IGM for free.
# - The best sum is row average + column average - average: a plane over the utilities.
# - It sees 2 / (m + 1) of a random m × m table; it is blind to interaction.
# - A table is a sum if no 2×2 minor objects.
# - With independent exploration its choice is that of independent learners.
#
# **The next question.** A sum keeps everybody's argmax right, but so does anything that *rises* in every
# utility. What is the most general mixing that does, and is it enough? → [04 Monotonic
# factorisation](04_monotonic_factorisation.ipynb)
#
# ## Sources
#
# **Read on:** Sunehag et al. What do they say that an agent's utility means? Hold it against section 7.
#
# - Sunehag et al., *Value-decomposition networks for cooperative multi-agent learning*, AAMAS 2018 ([arXiv
#   1706.05296](https://arxiv.org/abs/1706.05296)).
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): the 3×3 game.
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)): the 2×2 game.
# - The shares 2 / (m + 1) and the comparison with independent learners are computed above.
