# %% [markdown]
# # 05 · Data matters; fit is not regret
#
# **Question.** One paper prints -8 for a cell of QTRAN's game as QMIX learned it, another prints -12. Same
# game, same method. Who made the mistake?
#
# You will be able to
# - say which data a learned table was fitted to, by looking at its numbers;
# - find the joint actions at which a team *stays*, because its own data confirm them, and the exploration
#   rate at which it lets go of them;
# - say what a lower loss promises about play (less than one thinks), and measure it on random games.
#
# **Time needed:** 55 minutes. Five exercises. Before it: [04 Monotonic factorisation,
# exactly](04_monotonic_factorisation.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

from matrix_games import (
    Sampling,
    additive_fit,
    catalogue,
    fixed_points,
    gaussian_payoffs,
    largest_stable_epsilon,
    monotone_fit,
    study_random_games,
    uniform_payoffs,
)
from qmix_edu.exercises import reveal, steps
from qmix_edu.plots import action_names, plot_fits
from qmix_edu.widgets import PayoffExplorer

names = action_names(3)  # a, b, c

# %% [markdown]
# ## 1. Which cells does the team see?
#
# In chapter 04 every cell counted alike: a team that plays at random, for ever. A team that *learns* plays
# what it believes in most of the time, and something random now and then. With exploration rate ε each agent,
# on its own, draws a random action with probability ε and else takes its greedy one. Cells near the greedy
# one are then seen often, the far ones seldom.
#
# **Exercise 1.** Write `data_weights`: how often each cell is played. `n_actions` holds the agents' numbers of actions,
# such as (3, 3), and `joint` their greedy actions, such as (1, 1). (The random action may be the greedy one too.)


# %% tags=["exercise"]
def data_weights(n_actions, joint, epsilon):
    """Return the probability of each joint action, an array of shape n_actions (two agents)."""
    ### BEGIN SOLUTION
    policies = [np.full(m, epsilon / m) for m in n_actions]
    for policy, greedy in zip(policies, joint, strict=True):
        policy[greedy] += 1 - epsilon
    return np.outer(*policies)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_05 import check_data_weights

check_data_weights(data_weights)

# %% [markdown]
# The library's version is `Sampling.epsilon_greedy`. Here are the data of a team that believes in (b, b), at
# three exploration rates, on QTRAN's game:

# %%
qtran = catalogue["qtran"]
rates = (1.0, 0.5, 0.1)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for ax, rate in zip(axes, rates, strict=True):
    seen = Sampling.epsilon_greedy(qtran.n_actions, (1, 1), rate).probabilities
    image = ax.imshow(seen, cmap="cividis", vmin=0, vmax=1)
    for i, j in np.ndindex(seen.shape):
        ax.text(j, i, f"{seen[i, j]:.1%}", ha="center", va="center", color="black" if seen[i, j] > 0.5 else "white")
    ax.set(title=f"ε = {rate:g}", xlabel="agent 2", ylabel="agent 1")
    ax.set_xticks(range(3), names)
    ax.set_yticks(range(3), names)
_ = figure.colorbar(image, ax=axes, label="share of the plays", shrink=0.8)

# %% [markdown]
# ## 2. -8 or -12?
#
# Now fit. The table that gradient descent finds in QTRAN's game has a at the bottom (chapter 04): the five
# cells in which somebody plays a share *one* value, and the block of four zeros is right.
#
# **Exercise 2.** Write `border_value`: the one number that those five cells get. The fit minimises the squared error
# *weighted by how often each cell is seen*. Write it for tables of any size: the cells of the first row and of the
# first column.


# %% tags=["exercise"]
def border_value(payoff, weights):
    """Return the best single value for all cells of the first row and the first column."""
    ### BEGIN SOLUTION
    border = np.zeros(payoff.shape, dtype=bool)
    border[0, :] = border[:, 0] = True
    return (weights * payoff)[border].sum() / weights[border].sum()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_05 import check_border_value

check_border_value(border_value)

# %% [markdown]
# **Predict.** The team *believes in* (b, b), its greedy joint action, and explores less and less. Where does the value
# of the border go as ε goes to 0? Write a number.

# %%
my_limit = ...

# %%
from qmix_edu.exercises import chapter_05

for rate in (1, 0.5, 0.1, 0.05, 0.001):
    weights = Sampling.epsilon_greedy(qtran.n_actions, (1, 1), rate).probabilities
    print(f"ε = {rate:5g}   border {chapter_05.border_value(qtran.payoff, weights):7.2f}")
border = round(chapter_05.border_value(qtran.payoff, weights), 1)
reveal(my_limit, border, "The 8 needs two explorers at once; it is seen in ε²/9 of the plays and no longer counts.")

# %% [markdown]
# **Explain.** Nobody made a mistake. -8 is the border under uniform data, -12 under data from a team that
# hardly explores any more. *A learned table shows the method and the data.* Before you compare two of them,
# ask what each was fitted to.
#
# And the exact fit, over all orders of the actions? Under uniform data it was right, with 8 on top.
#
# **Predict.** The team believes in (b, b), and ε is 0.9: nine of ten actions are random. What does a team earn
# that acts on the best monotone fit of these data?

# %%
my_payoff = ...

# %%
tables, greedy = {}, {}
for rate in (1.0, 0.9, 0.1):
    fit = monotone_fit(qtran, weights=Sampling.epsilon_greedy(qtran.n_actions, (1, 1), rate))
    tables[f"ε = {rate:g}"], greedy[f"ε = {rate:g}"] = fit.values, fit.greedy
_ = plot_fits(qtran.payoff, tables, greedy)

# %% [markdown]
# *Caption.* QTRAN's payoffs, and the best monotone fits of data gathered around (b, b) at three exploration rates ε.
# Outlined: the best cell of the payoffs, and what agents that act on each fit may choose.

# %%
reveal(my_payoff, qtran.payoff[greedy["ε = 0.9"][0]], "A little less of the 8 in the data, and the block wins.")

# %% [markdown]
# (The MSE above each table counts all cells alike; the fits minimise the weighted one.) The class that holds a
# right answer under uniform data no longer prefers it as soon as the data lean towards the block. So
# "representable" is a property of a class and a table, and "what the best fit plays" one of a class, a table
# and the *data*.

# %% [markdown]
# Slide the data yourself: the explorer below starts with QTRAN's game and a team that believes in (b, b), chosen at
# "around". Take ε down with the arrow keys; then believe in (a, a); then try the penalty game, or numbers of your own.

# %%
PayoffExplorer(qtran.payoff, epsilon=1.0, centre=(1, 1))

# %% [markdown]
# ## 3. A choice that confirms itself
#
# Beliefs make data, and data make beliefs. A joint action is a **fixed point** at ε if the fit to the data
# around it chooses it again. For VDN, and for independent learners, the test is easy (chapter 03: they choose
# alike under such data): each agent's own action must have the best *average* over what the partner does.
#
# **Exercise 3.** Write `confirms_itself` for two agents: return `True` or `False`. An action that ties with the best
# one is good enough to stay.


# %% tags=["exercise"]
def confirms_itself(payoff, joint, epsilon):
    """Return True if no agent gains on average by leaving joint, while its partner explores around it."""
    ### BEGIN SOLUTION
    policies = [np.full(m, epsilon / m) for m in payoff.shape]
    for policy, action in zip(policies, joint, strict=True):
        policy[action] += 1 - epsilon
    rows, columns = payoff @ policies[1], policies[0] @ payoff
    return bool(rows[joint[0]] >= rows.max() - 1e-9 and columns[joint[1]] >= columns.max() - 1e-9)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_05 import check_confirms_itself

check_confirms_itself(confirms_itself)

# %% [markdown]
# **Predict.** Climbing's best cell is (a, a). ε falls from 1 to 0: from which ε on does (a, a) confirm itself? Write a
# number from 0 to 1. (You have met it. The next cell fits some hundred tables: a few seconds.)

# %%
climbing = catalogue["climbing"]
my_epsilon = ...

# %%
epsilons = np.linspace(0.02, 1, 50)
cells = [(0, 0), (1, 1), (1, 2), (2, 2)]
figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
for ax, (name, fit) in zip(axes, {"VDN and IQL": additive_fit, "best monotone fit": monotone_fit}.items(), strict=True):
    found = [fixed_points(climbing, epsilon, fit) for epsilon in epsilons[:: steps(1, 7)]]
    for row, cell in enumerate(cells):
        at = [e for e, points in zip(epsilons[:: steps(1, 7)], found, strict=True) if cell in points]
        ax.plot(at, [row] * len(at), "s", color="black", markersize=5)
    labels = [f"({names[i]}, {names[j]}) pays {climbing.payoff[i, j]:g}" for i, j in cells]
    ax.set_yticks(range(len(cells)), labels)
    ax.set(title=name, ylabel="joint action", ylim=(-0.6, len(cells) - 0.4), xlim=(0, 1.02))
_ = axes[-1].set_xlabel("exploration rate ε")

# %%
reveal(
    my_epsilon, round(largest_stable_epsilon(climbing, (0, 0)), 3), "Exactly 11/21. Above it the -30 weighs too much."
)

# %% [markdown]
# Each square is a cell that confirms itself at that ε; the five cells that are left out never do. Read the upper
# picture from right to left, as a team lives it: it starts with ε near 1, and there is one choice only, (c, c). When ε
# passes 11/21 the best cell becomes stable too, but the team *is* at (c, c), its data speak of (c, c), and it stays.
# Later (c, c) lets go: to (b, c), then to (b, b). The optimum is stable, and never reached.
#
# The lower picture is that of the best monotone fit. It holds (c, c) longer, to about ε = 0.08. Below that the best
# cell is the *only* one that confirms itself. Does a team that comes from (c, c) now go there?


# %%
def follow(fit, joint, epsilon, rounds=6):
    """Fit the data around a joint action, move to the greedy one, and again."""
    path = [joint]
    for _ in range(rounds):
        greedy = fit(climbing, weights=Sampling.epsilon_greedy(climbing.n_actions, path[-1], epsilon)).greedy
        path.append(path[-1] if path[-1] in greedy else greedy[0])
    return " → ".join(f"({names[i]}, {names[j]})" for i, j in path)


print("sum:     ", follow(additive_fit, (2, 2), 0.05))
print("monotone:", follow(monotone_fit, (2, 2), 0.05))

# %% [markdown]
# No: it goes back and forth between (c, c) and (b, c), each time led on by the data of where it just was. A new
# factorisation does not by itself free a team from its own data.
#
# **Exercise 4 (open).** Write `game_that_lets_go(epsilon)`: a 2×2 table with one best cell, (a, a), that confirms
# itself (for VDN) below this ε and does not above it. `epsilon` is between 0.1 and 0.9.


# %% tags=["exercise"]
def game_that_lets_go(epsilon):
    """Return a 2x2 payoff table whose optimum (a, a) is a fixed point of VDN up to epsilon, and no further."""
    ### BEGIN SOLUTION
    # agent 1: (1 - e/2) * 1 + e/2 * x >= 0, with equality at this epsilon
    return np.array([[1, 1 - 2 / epsilon], [0, 0]])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_05 import check_game_that_lets_go

check_game_that_lets_go(game_that_lets_go)

# %% [markdown]
# ## 4. Fit is not regret
#
# Named games are chosen to make a point. What about games that nobody chose? Fill tables with random numbers,
# all cells alike in the data, and ask two questions of each class: how well does it *fit*, and how well does
# it *play*? The second is the **regret**: the best payoff minus what the greedy team earns.
#
# **Exercise 5.** Write `regret`. Where several joint actions are greedy, the team may take any of them; count
# their mean.


# %% tags=["exercise"]
def regret(payoff, greedy):
    """Return the best payoff minus the mean payoff of the greedy joint actions (a list of tuples)."""
    ### BEGIN SOLUTION
    return payoff.max() - np.mean([payoff[joint] for joint in greedy])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_05 import check_regret

check_regret(regret)

# %% [markdown]
# The best monotone table always fits at least as well as the best sum, since every sum is monotone.
#
# **Predict.** Draw many 4×4 tables with payoffs uniform between 0 and 1. Which of the two has the lower mean
# regret, `"sum"` or `"monotone"`? And with Gaussian payoffs? (60,000 tables are fitted twice: this takes a while.)

# %%
my_uniform, my_gaussian = ..., ...

# %%
rng = np.random.default_rng(0)
GAMES = steps(10_000, 60)
studies = {
    (name, m): study_random_games(law, (m, m), GAMES, rng, classes=("additive", "monotone"))
    for name, law in (("uniform", uniform_payoffs), ("Gaussian", gaussian_payoffs))
    for m in (2, 3, 4)
}

# %%
print("payoffs    size   explained: sum, monotone      regret: sum, monotone, random play")
for (law, m), study in studies.items():
    add, mono = study["additive"], study["monotone"]
    print(
        f"{law:9s}  {m}×{m}   {add.explained_variance:9.2f} {mono.explained_variance:9.2f}     "
        f"{add.mean_regret:9.3f} {mono.mean_regret:9.3f} {study.random_regret.mean():9.3f}   "
        f"(± {2 * mono.regret_error:.3f})"
    )

# %%
lower = tuple(
    "sum" if studies[law, 4]["additive"].mean_regret < studies[law, 4]["monotone"].mean_regret else "monotone"
    for law in ("uniform", "Gaussian")
)
mine = ... if my_uniform is ... else (my_uniform, my_gaussian)
reveal(mine, lower, "The better fit is not the better player everywhere.")

# %% [markdown]
# **Explain.** (In brackets: twice the standard error of the monotone regret.) The monotone class explains far more of
# the variance, in every row. At 2×2 both play alike. On larger tables with uniform payoffs the better fit plays
# *worse*; with Gaussian payoffs, where a few large numbers stand out, it plays a little better. A squared loss counts
# all cells; play depends on one. What the loss buys with the other cells need not help the one that matters. So never
# argue from a lower loss to better play: measure.
#
# Two more things to notice. The sum explains 2/(m + 1) of the variance whatever the payoffs' law is (chapter 03).
# And both play far better than chance (`random play`), although both get nearly every value wrong.
#
# ## Two things people believe
#
# - *"The learned table shows the method."* It shows the method *and the data*: -8 and -12 are one method.
# - *"Lower loss, lower regret."* The best monotone fit never has the higher loss, and on uniform 4×4 games it has
#   the higher mean regret.
#
# ## What to remember
#
# - Ask of every learned table: fitted to which data?
# - A joint action confirms itself when the data around it choose it again. Several can; where a team ends
#   depends on where it was when exploration fell.
# - An optimum may be stable and still out of reach.
# - Representable, well fitted, well played, found by learning: four different things.
#
# **The next question.** We know what the best monotone table would be. How does a *network* stay monotone, and
# what does it lose by the way it does so? → [06 Inside the mixer](06_inside_the_mixer.ipynb)
#
# ## Sources
#
# **Read on:** *Weighted QMIX*. Its weights depend on how good a joint action is, ours on how often it is seen. Which
# of the two can a team choose?
#
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): the game, and tables
#   learned under full exploration.
# - Rashid et al., *Weighted QMIX*, NeurIPS 2020 ([arXiv 2006.10800](https://arxiv.org/abs/2006.10800)): what
#   weights in the projection change; chapter 08 comes back to it.
# - Claus and Boutilier, AAAI 1998: climbing.
# - The border values, fixed points, and regrets are computed above.
