# %% [markdown]
# # 01 · Cooperative matrix games
#
# **Question.** In chapter 00 a network found the best joint action. But why is that hard at all? Two people, one payoff
# table, no talking: how should each choose?
#
# You will be able to
# - read a payoff table as each player sees it, and say where averaging leads;
# - find best responses and equilibria, ties included;
# - say exactly what it means that agents who choose *alone* choose *well* (IGM);
# - compute how much exploration a good joint action survives.
#
# **Time needed:** 45 minutes. Five exercises. No chapter before it is needed.

# %%
import matplotlib.pyplot as plt
import numpy as np

from matrix_games import catalogue, is_igm
from qmix_edu.exercises import chapter_01, reveal
from qmix_edu.plots import action_names, plot_payoff

names = action_names(3)  # a, b, c

# %% [markdown]
# ## 1. One table, two players
#
# Agent 1 chooses a row, agent 2 a column, both at the same time. *Both* receive the number in the cell: they
# are a team. Nothing is hidden; they know the table. They just cannot agree beforehand. A cell is a *joint action*:
# (a, b) means that agent 1 plays a, the first row, and agent 2 plays b, the second column.

# %%
climbing = catalogue["climbing"]
climbing.payoff

# %% [markdown]
# **Predict.** You are agent 1, and you know nothing about your partner. So you take all three columns for
# equally likely. Which row do you choose? Write `"a"`, `"b"` or `"c"` (the first, second, third row).

# %%
my_row = ...

# %% [markdown]
# **Run.** The picture shows the table with the average of every row and every column along its edges. A star
# marks the best cell, a frame each *equilibrium*: a cell that neither agent wants to leave alone.

# %%
_ = plot_payoff(climbing.payoff, marked={"equilibrium": chapter_01.equilibria(climbing.payoff)})

# %%
row_averages = climbing.payoff.mean(axis=1)
column_averages = climbing.payoff.mean(axis=0)
reveal(my_row, names[row_averages.argmax()], "The averages of the rows are " + str(row_averages.round(2)))

# %% [markdown]
# **Explain.** Row a holds the best cell, 11, and the worst, -30. Against a random partner the worst one
# weighs as much as the best. Row c never loses much. Agent 2 thinks alike and takes column c: together they
# get 5 instead of 11. Averaging over what others *might* do makes a broad mediocre action look better than a
# narrow excellent one. This is called **relative overgeneralisation**, and it runs through the whole course.

# %% [markdown]
# ## 2. Against a known partner: best responses
#
# Now you *know* that your partner plays column `column`. A **best response** is a row with the highest payoff
# in that column. There may be several.
#
# **Exercise 1.** Write `best_responses`. It returns a *set* of row numbers.


# %% tags=["exercise"]
def best_responses(payoff, column):
    """Return the set of rows with the highest payoff in this column."""
    ### BEGIN SOLUTION
    against = payoff[:, column]
    return set(np.flatnonzero(against == against.max()))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_01 import check_best_responses

check_best_responses(best_responses)

# %% [markdown]
# Stuck? Run `check_best_responses.hint(1)` in a cell of its own; there are four hints, the last one is the
# solution.
#
# A cell in which both actions are best responses to each other is an **equilibrium**. The climbing game has
# two:

# %%
for i, j in sorted(chapter_01.equilibria(climbing.payoff)):
    print(f"({names[i]}, {names[j]}) pays {climbing.payoff[i, j]:g}")

# %% [markdown]
# The cell that averaging leads to, (c, c), is *no* equilibrium: if agent 1 stays with c, agent 2 stays too,
# but if agent 2 stays with c, agent 1 would rather play b (6 instead of 5). From there agent 2 goes to b as
# well (7). And from (b, b) nobody moves alone: to reach 11 they would have to jump together.

# %% [markdown]
# ## 3. Choosing alone
#
# From here on each agent carries its own list of numbers, one for each of its actions: its **utilities**. It
# looks at nothing else and takes an action with the highest one: its *greedy* action. We write $Q_i(a_i)$ for the
# utility of agent i's action $a_i$. How it got these numbers is the subject of the next chapters. Where they *lead* we
# can say now, with the averages of section 1 as utilities:

# %%
utilities = (row_averages, column_averages)
choice = tuple(int(u.argmax()) for u in utilities)
names[choice[0]], names[choice[1]], int(climbing.payoff[choice])

# %% [markdown]
# `argmax` returns the first of several best actions. Real agents may break a tie either way, and they cannot
# talk about it.
#
# **Predict.** In the coordination game, `[[1, 0], [0, 1]]`, both agents have utilities (0.5, 0.5), the
# averages. How many of the four cells can they end in?

# %%
my_count = ...

# %% [markdown]
# **Exercise 2.** Write `decentralised_greedy`: the set of *all* joint actions (tuples) in which every agent
# takes one of its own best actions. There may be more than two agents.


# %% tags=["exercise"]
def decentralised_greedy(utilities):
    """Return the set of joint actions that agents who choose alone can end in."""
    ### BEGIN SOLUTION
    from itertools import product

    best = [np.flatnonzero(np.asarray(u) == np.max(u)) for u in utilities]
    return set(product(*best))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_01 import check_decentralised_greedy

check_decentralised_greedy(decentralised_greedy)

# %% [markdown]
# The library knows the same function:

# %%
from qmix_edu.plots import greedy_actions

ends = greedy_actions([[0.5, 0.5], [0.5, 0.5]])
print(ends, "pay", [int(catalogue["coordination"].payoff[cell]) for cell in ends])
reveal(my_count, len(ends), "Each may take either action, so all combinations happen; half of them pay 0.")

# %% [markdown]
# ## 4. When alone is as good as together: IGM
#
# The best *together* is the highest cell of the table. The best *alone* is where the utilities lead. Write $Q_{tot}$
# for the team's table (here: the payoffs) and $\arg\max$ for the *set* of all best actions. The utilities are good when
# the second is part of the first:
#
# $$\arg\max_{a_1} Q_1 \times \dots \times \arg\max_{a_n} Q_n \;\subseteq\; \arg\max_{a_1,\dots,a_n} Q_{tot}$$
#
# This is **IGM**, *individual-global-max*. Son et al. (2019) ask for equality; the two say the same when the
# best cell is unique, and with ties the inclusion is what a team needs: whatever the agents pick is best.

# %%
print("averages as utilities:", bool(is_igm(climbing.payoff, utilities)))
print("(1, 0, 0) for both:   ", bool(is_igm(climbing.payoff, ([1, 0, 0], [1, 0, 0]))))

# %% [markdown]
# The table is the same in both lines. IGM is no property of a table: it relates a table *to utilities*.
#
# **Predict.** Is there a table for which *no* utilities have IGM? Write `True` or `False`, then find out by
# writing the next exercise.

# %%
there_is_such_a_table = ...

# %% [markdown]
# **Exercise 3.** Write `igm_utilities`: for any payoff table, of two agents or more (`payoff.shape` has one number for
# each agent), return a list with one array of utilities for each agent, so that IGM holds. Mind tables with several
# best cells.


# %% tags=["exercise"]
def igm_utilities(payoff):
    """Return utilities, one array for each agent, that lead to a best cell of any table."""
    ### BEGIN SOLUTION
    best = np.unravel_index(payoff.argmax(), payoff.shape)
    return [np.eye(size)[action] for size, action in zip(payoff.shape, best, strict=True)]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_01 import check_igm_utilities

check_igm_utilities(igm_utilities)

# %%
one_each = [np.eye(3)[0], np.eye(3)[0]]
reveal(
    there_is_such_a_table,
    not is_igm(climbing.payoff, one_each),
    "Put one best cell's actions on top, and it is done, for every table. The hard part is to *learn* "
    "such utilities from rewards, without being told the best cell.",
)

# %% [markdown]
# ## 5. How much exploration does a good habit survive?
#
# Suppose the team plays (a, a) by habit, but each agent *explores*: with probability ε, its exploration rate, it draws
# one of *all* its actions, each as likely as the others. What does each action then earn?
#
# **Exercise 4.** Write `expected_payoffs`: the expected payoff of every row, as an array, against a partner whose habit
# is the column `partner` and who explores at rate `epsilon`.


# %% tags=["exercise"]
def expected_payoffs(payoff, partner, epsilon):
    """Return what each row earns, on average, against a partner who explores."""
    ### BEGIN SOLUTION
    size = payoff.shape[1]
    policy = np.full(size, epsilon / size)
    policy[partner] += 1 - epsilon
    return payoff @ policy
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_01 import check_expected_payoffs

check_expected_payoffs(expected_payoffs)

# %% [markdown]
# **Predict.** From which ε on does an agent in the climbing game do better by leaving the habit (a, a)? Write
# a number between 0 and 1.

# %%
my_epsilon = ...

# %% [markdown]
# **Run.** Agent 2's columns against an exploring agent 1: the transposed table, seen from its other side.
# (For agent 1's rows the lines cross later. Take away the `.T` and look.)

# %%
epsilons = np.linspace(0, 1, 2101)
earned = np.array([chapter_01.expected_payoffs(climbing.payoff.T, 0, e) for e in epsilons])
leaves = epsilons[earned.argmax(axis=1) != 0][0]
for column, style in enumerate(["-", "--", ":"]):
    plt.plot(epsilons, earned[:, column], style, label=f"column {names[column]}")
plt.axvline(leaves, color="black", linewidth=0.8)
plt.gca().set(xlabel="exploration rate ε of agent 1", ylabel="expected payoff of agent 2's columns")
_ = plt.legend()

# %%
reveal(my_epsilon, round(float(leaves), 3), "The lines of a and c cross where 11 - 52ε/3 = 11ε/3, at ε = 11/21.")

# %% [markdown]
# **Explain.** Below 11/21 ≈ .524 the habit (a, a) holds itself up: averaging *around it* prefers a. Above, it
# falls. So whether a team of averagers keeps the optimum is a matter of how much it explores. And a team that
# starts at ε = 1 begins at (c, c). Stable is not the same as reached.

# %% [markdown]
# ## 6. How bad can averaging get?
#
# In the climbing game averaging cost 6. In the worst case?
#
# **Exercise 5 (open).** Write `misleading_game(size)`: a table of `size` × `size` (3 or more) in which every agent
# that averages is led to the *one worst cell of all*: every other cell pays more. Afterwards: why can that not
# be done with two actions each?


# %% tags=["exercise"]
def misleading_game(size):
    """Return a payoff table whose row and column averages point to its one lowest cell."""
    ### BEGIN SOLUTION
    payoff = np.zeros((size, size))
    payoff[0, :] = payoff[:, 0] = 10
    payoff[0, 0] = -1
    return payoff
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_01 import check_misleading_game

check_misleading_game(misleading_game)

# %% [markdown]
# <details><summary>Why not with two actions each?</summary>
#
# Let the table be [[p, q], [r, s]] and let averaging pick p. Then p + q > r + s and p + r > q + s. Add both:
# 2p > 2s. So the cell opposite pays less than p, and p is not the worst.
# </details>

# %% [markdown]
# ## Three things people believe
#
# - *"Everybody's averages find the best cell."* Climbing: they find 5 of 11. Exercise 5: they may find the
#   worst.
# - *"Ties do not matter."* In the coordination game they cost half of the payoff.
# - *"IGM is a property of a table."* It relates a table to utilities; every table has utilities with IGM.
#
# ## What to remember
#
# - A team shares one number; each member sees it through what the *others* do.
# - Averaging over the others' actions punishes actions that need a partner: relative overgeneralisation.
# - Alone is as good as together when the product of the individual argmax sets lies in the joint argmax: IGM.
# - An optimum may be stable under little exploration and still never be reached.
#
# **The next question.** Here everybody knew the table. What if nobody does, and everyone just learns? →
# [02 Independent learners](02_independent_learners.ipynb)
#
# ## Sources
#
# **Read on:** Claus and Boutilier. What do their joint-action learners know that independent learners do not, and
# does it help them in the climbing game?
#
# - Claus and Boutilier, *The dynamics of reinforcement learning in cooperative multiagent systems*, AAAI
#   1998: the climbing game.
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): IGM.
# - Wei and Luke, *Lenient learning in independent-learner stochastic cooperative games*, JMLR 17(84), 2016:
#   relative overgeneralisation and its relatives.
# - The crossing at 11/21 is computed above.
