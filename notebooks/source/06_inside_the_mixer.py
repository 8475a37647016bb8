# %% [markdown]
# # 06 · Inside the mixer
#
# **Question.** A mixing that rises in every utility keeps everybody's argmax right. How does a *network* stay
# monotone, and what does it lose by the way it does so?
#
# You will be able to
# - write QMIX's mixing network and its four hypernetworks, from an empty cell;
# - say which of its numbers must not be negative, which may, and why;
# - break it, and see where;
# - prove what it cannot represent, and tell that apart from what learning does not find.
#
# **Time needed:** 75 minutes. Four exercises. Before it: [04 Monotonic factorisation,
# exactly](04_monotonic_factorisation.ipynb) and [05 Data matters](05_data_matters.ipynb).

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from matrix_games import MatrixGame, additive_fit, catalogue, monotone_fit, supermodular_fit
from qmix_edu import gradient_fit
from qmix_edu.exercises import reveal, steps
from qmix_edu.mixers import QMixer, UnconstrainedMixer, UniversalMixer
from qmix_edu.plots import count_violations, plot_fits
from qmix_edu.widgets.landscape import LandscapeExplorer, q_tot_surface

torch.set_num_threads(1)

# %% [markdown]
# ## 1. The network, and its one constraint
#
# The utilities enter a small network with one hidden layer of E units (QMIX uses 32). Its weights are $w_1$ (from
# agent a's utility to unit h) and $w_2$ (from unit h to the sum); its biases are $b_1$ and V:
#
# $$Q_{tot} = \sum_{h=1}^{E} w_{2,h}\;\mathrm{ELU}\Big(\sum_a w_{1,ah}\,Q_a + b_{1,h}\Big) + V
# \qquad \mathrm{ELU}(z) = \begin{cases} z & z > 0\\ e^z - 1 & z \le 0\end{cases}$$
#
# ELU rises. If all weights $w_1$ and $w_2$ are positive or zero, then each step of the way rises, and so does
# $Q_{tot}$. QMIX takes their absolute values, and that is all.
#
# **Predict.** Take a random mixer and make 35 % of its weights negative, *without* taking absolute values. Is
# it certain that $Q_{tot}$ now falls somewhere? Write the share, from 0 to 1, of random mixers that fall
# somewhere within -2 ≤ Q₁, Q₂ ≤ 2. And with 5 %?

# %%
my_share_35 = ...
my_share_5 = ...

# %% [markdown]
# **Run.** Three random mixers with 20 %, 35 % and 50 % negative weights: move the slider *state*. The buttons choose
# what is done to the weights: |w|, softplus, nothing. Where $Q_{tot}$ falls along an axis, it is hatched.

# %%
explorer = LandscapeExplorer.random(seed=9)
explorer

# %% [markdown]
# The same as a still picture: 35 % negative weights, nothing done to them. (Run `explorer.figure()` for the
# setting that you have chosen.)

# %%
still = LandscapeExplorer.random(seed=9)
still.state = 1
_ = still.figure()

# %% [markdown]
# In this one the corner, the agents' choice, is no longer the best joint action. But go back to the first
# slider position: a fifth of the weights is negative, and nothing falls. Now many mixers:


# %% tags=["lesson"]
def random_weights(rng, share, units=32):
    """A random mixer's w1 [2, units] and w2 [units]; this share of all weights is negative."""
    weights = np.abs(rng.normal(size=3 * units))
    weights[rng.permutation(3 * units)[: round(share * 3 * units)]] *= -1
    return weights[: 2 * units].reshape(2, units), weights[2 * units :]


def share_that_falls(share, mixers=200):
    """The share of random mixers whose Q_tot falls somewhere on the grid."""
    rng, grid, falls = np.random.default_rng(0), np.linspace(-2, 2, 21), 0
    for _ in range(mixers):
        w1, w2 = random_weights(rng, share)
        surface = q_tot_surface(w1, rng.normal(size=32), w2, 0.0, grid, grid, "none")
        falls += count_violations(surface) > 0
    return falls / mixers


shares = [0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5]
fallen = [share_that_falls(share) for share in shares]
plt.plot(shares, fallen, "o-")
plt.gca().set(xlabel="share of negative weights", ylabel="share of mixers that fall", ylim=(0, 1.05))
plt.grid(alpha=0.3)

# %% [markdown]
# *Caption.* The share of 200 random mixers whose $Q_{tot}$ falls somewhere on the grid, against the share of their
# weights that is negative.

# %%
reveal(my_share_35, fallen[shares.index(0.35)], "Nearly all fall, and not all do.")

# %%
reveal(my_share_5, fallen[shares.index(0.05)], "Where some units pull down and enough others pull up, the sum rises.")

# %% [markdown]
# **Explain.** Positive weights are *sufficient*, not necessary. A unit with a negative weight pulls down (and up
# again, if the weight into it and the weight out of it are both negative); whether $Q_{tot}$ falls depends on what the
# other units do at that place. With |w| nothing depends on anything: no fall in any state, at any utilities, also
# those that the agents have not learnt yet. This certainty is what the constraint buys.
#
# **Exercise 1.** Write `count_falls(surface)`: how many steps between neighbouring grid points, along either
# axis, fall? `surface[i, j]` is $Q_{tot}$ at the i-th $Q_1$ and the j-th $Q_2$.


# %% tags=["exercise"]
def count_falls(surface):
    """Return the number of grid steps along which Q_tot falls."""
    ### BEGIN SOLUTION
    return sum(int((np.diff(surface, axis=axis) < 0).sum()) for axis in (0, 1))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_06 import check_count_falls

check_count_falls(count_falls)

# %% [markdown]
# ## 2. Write it
#
# How the agents' utilities should be mixed depends on the situation. So the weights and biases are no fixed
# numbers: four **hypernetworks** compute them from the state.
#
# | network | gives, for each state | constraint |
# |---|---|---|
# | `hyper_w1` | w1, n · E numbers | absolute value |
# | `hyper_b1` | b1, E numbers | none |
# | `hyper_w2` | w2, E numbers | absolute value |
# | `hyper_v` | V(s), 1 number | none |
#
# The state may bend the surface in any way, because it only enters through these. A utility has to climb, so
# it only enters through weights that are positive.
#
# **Exercise 2.** Write the class `Mixer`. `__init__` makes the four networks, under these names (an
# `nn.Linear` each will do, a hidden layer is welcome); `forward` maps `q [b, n]` and `state [b, s]` to
# $Q_{tot}$ `[b, 1]`, for a batch of b moments, n agents and a state of s numbers (`n_agents`, `state_size`).
# This is the longest exercise of the chapter, and the heart of QMIX.


# %% tags=["exercise"]
class Mixer(nn.Module):
    """Q_tot = |w2(s)| . ELU(|w1(s)| q + b1(s)) + V(s)."""

    def __init__(self, n_agents, state_size, embed=32):
        super().__init__()
        ### BEGIN SOLUTION
        self.n_agents, self.embed = n_agents, embed
        self.hyper_w1 = nn.Linear(state_size, n_agents * embed)
        self.hyper_b1 = nn.Linear(state_size, embed)
        self.hyper_w2 = nn.Linear(state_size, embed)
        self.hyper_v = nn.Sequential(nn.Linear(state_size, embed), nn.ReLU(), nn.Linear(embed, 1))
        ### END SOLUTION

    def forward(self, q, state):
        ### BEGIN SOLUTION
        w1 = self.hyper_w1(state).abs().unflatten(-1, (self.n_agents, self.embed))  # [b, n, E]
        w2 = self.hyper_w2(state).abs()  # [b, E]
        hidden = F.elu((q.unsqueeze(-1) * w1).sum(dim=-2) + self.hyper_b1(state))  # [b, E]
        return (hidden * w2).sum(dim=-1, keepdim=True) + self.hyper_v(state)  # [b, 1]
        ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_06 import check_Mixer

check_Mixer(Mixer)

# %% [markdown]
# The library's mixer is `qmix_edu.mixers.QMixer`; read it, it is about twenty lines. The story goes on with
# it. (When your check says "correct", put `Mixer` for `QMixer` below: everything still runs.)
#
# ## 3. What may be negative?
#
# **Predict.** Which of the four, `"w1"`, `"b1"`, `"w2"`, `"v"`, may be negative without any danger that
# $Q_{tot}$ falls? Write a set of names.

# %%
my_free_ones = ...


# %%
def ever_falls(negative, mixers=100):
    """Whether Q_tot falls in any random mixer in which only this group of numbers has free signs."""
    rng, grid, count = np.random.default_rng(1), np.linspace(-2, 2, 21), 0
    for _ in range(mixers):
        numbers = {"w1": rng.normal(size=(2, 8)), "b1": rng.normal(size=8), "w2": rng.normal(size=8), "v": rng.normal()}
        signed = {name: x if name == negative else np.abs(x) for name, x in numbers.items()}
        count += count_violations(q_tot_surface(*signed.values(), grid, grid, "none"))
    return count > 0


free = {name for name in ("w1", "b1", "w2", "v") if not ever_falls(name)}
reveal(my_free_ones, free, "What is *added* moves the surface or its bends; only what *multiplies* a utility tilts it.")

# %% [markdown]
# **Explain.** $\partial Q_{tot} / \partial Q_a = \sum_h w_{2,h}\,\mathrm{ELU}'(z_h)\,w_{1,ah}$, where $z_h$ is the
# sum inside unit h and ELU' the slope of ELU: there is no V in it, and $b_1$ only inside ELU', which is positive
# everywhere. So V(s) may be negative, and that is needed: it is where the network puts what the *state* is worth,
# whatever the agents do, and that can be less than nothing. Raising or lowering the whole surface changes nobody's
# choice.
#
# ## 4. Take abs away
#
# Signs make the mixer stronger. XOR (0, 1, 1, 0) is not monotone: QMIX must miss it. The same network with
# free signs need not.
#
# **Predict.** It fits XOR perfectly. In how many of twenty runs do the *agents*, each taking its own best
# action, then earn 1? (XOR's choices are right in two of four cells.)

# %%
my_right_runs = ...

# %%
xor = catalogue["xor"]
free_signs = gradient_fit(xor, UnconstrainedMixer, seeds=20, steps=steps(full=600, fast=20))
right = int((free_signs.greedy_payoff == 1).sum())
print("loss, median of 20 runs:", np.median(free_signs.mse).round(4))
print("best monotone fit:", round(monotone_fit(xor.payoff).mse, 4))
print(free_signs.tables[0].round(2))
reveal(my_right_runs, right, "The table is right; the way from utilities to it is not.")

# %% [markdown]
# **Explain.** The loss is 0 and the team guesses. It has learnt the value of every joint action and cannot
# *find* the best one without looking at all of them, which is what it should not need. The same on QTRAN's
# game, where a monotone mixer has a loss of 32 at the least:

# %%
qtran = catalogue["qtran"]
free_signs = gradient_fit(qtran, UnconstrainedMixer, seeds=20, steps=steps(full=600, fast=20))
print("loss", np.median(free_signs.mse).round(4))
for payoff in (-12, 0, 8):
    print(f"runs in which the agents' choice earns {payoff}:", int((free_signs.greedy_payoff == payoff).sum()))

# %% [markdown]
# ## 5. What the constraint loses
#
# A monotone network, then. Is it *every* monotone function? One often reads so: a network with positive
# weights can approximate any monotone function. Try the two smallest games there are. Both are monotone, and
# the exact monotone fit of both has loss 0.

# %%
either, both = catalogue["or"], catalogue["and"]
for game in (either, both):
    print(game.name, game.payoff.tolist(), "exact monotone fit: loss", monotone_fit(game.payoff).mse)

# %% [markdown]
# **Predict.** With 32 units, and in the best of its runs: what loss does the mixer reach on OR? And on AND? (Training
# takes some ten seconds each time.)

# %%
my_or_loss = ...
my_and_loss = ...

# %%
learnt = gradient_fit(either, QMixer, seeds=20, steps=steps(full=1500, fast=20))
print("OR: losses of 20 runs, best to worst", np.sort(learnt.mse).round(4))
print("the best sum (VDN):", additive_fit(either.payoff).mse)
best, exact = learnt.mse.argmin(), monotone_fit(either.payoff)
fits = {"the mixer's best run": learnt.tables[best], "best monotone": exact.values}
greedy = {"the mixer's best run": [tuple(learnt.greedy[best])], "best monotone": exact.greedy}
_ = plot_fits(either.payoff, fits, greedy)

# %% [markdown]
# *Caption.* OR's payoffs, the mixer's run with the lowest loss, and the exact best monotone fit, on one colour scale.
# Outlined: the best cells of the payoffs, and what agents that act on each fit may choose.

# %%
reveal(my_or_loss, float(learnt.mse.min().round(4)), "No run gets below 1/16, and that is VDN's loss.")

# %%
learnt = gradient_fit(both, QMixer, seeds=10, steps=steps(full=1000, fast=20))
print("AND: losses", np.sort(learnt.mse).round(5))
reveal(my_and_loss, float(learnt.mse.min().round(2)), "The best run holds AND.")

# %% [markdown]
# Runs of AND that stand higher are on their way: when we gave them 4,000 steps, all ten came below .0001. OR is another
# matter. No run passes 1/16, and more steps or more units do not help. To see why, ask how the
# two agents' steps work on *each other*.
#
# **Exercise 3.** Write `mixed_differences(surface)`: for every four neighbouring points
# $F_{i+1,j+1} - F_{i+1,j} - F_{i,j+1} + F_{i,j}$: what agent 1 gains by its step up when agent 2 is up, minus
# what it gains when agent 2 is down.


# %% tags=["exercise"]
def mixed_differences(surface):
    """Return the mixed second differences, one row and one column fewer than the surface."""
    ### BEGIN SOLUTION
    return surface[1:, 1:] - surface[1:, :-1] - surface[:-1, 1:] + surface[:-1, :-1]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_06 import check_mixed_differences

check_mixed_differences(mixed_differences)

# %%
rng, grid, lowest = np.random.default_rng(2), np.linspace(-3, 3, 31), []
for _ in range(200):
    w1, w2 = random_weights(rng, share=0)
    surface = q_tot_surface(w1, rng.normal(size=32), w2, rng.normal(), grid, grid, "abs")
    lowest.append(np.diff(np.diff(surface, axis=0), axis=1).min())
print("lowest mixed difference in 200 random mixers:", min(lowest))
for game in (either, both):
    print(game.name, np.diff(np.diff(game.payoff, axis=0), axis=1).item())

# %% [markdown]
# Never negative, up to rounding; and OR has -1. A table or function whose mixed differences are never negative
# is called **supermodular** (chapter 04's second rung): the agents' steps *help* each other. The proof is
# short.
#
# > *The mixer is supermodular.* Take one hidden unit, $\varphi(u\,Q_1 + v\,Q_2 + b)$ with $u, v \ge 0$ and
# > $\varphi$ convex, as ELU is. Let agent 1 step up: the argument grows by some $d \ge 0$, and the unit by
# > $\varphi(z + d) - \varphi(z)$. For a convex $\varphi$ this gain is the larger, the larger $z$ is. And $z$
# > grows with $Q_2$, because $v \ge 0$. So agent 1 gains more when agent 2 is up: the mixed difference is not
# > negative. $Q_{tot}$ is a sum of such units, times $w_2 \ge 0$, plus a constant. ∎
#
# It holds between *any* two values of the utilities, so no choice of utilities gets around it. In OR one
# agent's step *replaces* the other's: whoever comes second adds nothing. A mixer with one layer of convex
# units cannot say that, however wide it is. (ReLU and softplus are convex too.)
#
# So there are two rungs: monotone, and *monotone and supermodular*. For each there is an exact fit:

# %%
for game in (either, both, catalogue["two-step-2b"], qtran, catalogue["climbing"]):
    exact, convex = monotone_fit(game.payoff).mse, supermodular_fit(game.payoff).mse
    print(f"{game.name:12} monotone {exact:8.4f}   and supermodular {convex:8.4f}")

# %% [markdown]
# The right column is a floor under every such mixer, trained in any way.
#
# **Exercise 4.** Where does .0625 come from? Write `nearest_reachable(table)` for a 2×2 table that already
# rises along both axes: the table with a mixed difference of zero or more that is nearest to it (least sum of
# squares). It needs no search.


# %% tags=["exercise"]
def nearest_reachable(table):
    """Return the nearest 2x2 table whose mixed difference is not negative."""
    ### BEGIN SOLUTION
    d = table[1, 1] - table[1, 0] - table[0, 1] + table[0, 0]
    return table - min(d, 0) / 4 * np.array([[1, -1], [-1, 1]])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_06 import check_nearest_reachable

check_nearest_reachable(nearest_reachable)

# %% [markdown]
# ## 6. What it can represent, and what learning finds
#
# Chapter 04 left us with QTRAN's game: the exact monotone fit (8 at (a, a), -6 elsewhere, loss 32) plays
# right, and gradient descent ends at 35.556 and plays wrong. Is that the lost rung? No: the line `qtran` of
# section 5 has the floor 32 in its right column, too. And *one* hidden unit is enough. Both agents
# have the utilities 1, 0, 0:

# %%
a_on_top = np.array([1.0, 0.0, 0.0])
by_hand = q_tot_surface([[40.0], [40.0]], [-67.0], [1.0], -5.0, a_on_top, a_on_top, "abs")
print(by_hand.round(3), " loss", ((by_hand - qtran.payoff) ** 2).mean().round(3))

# %% [markdown]
# If both are on top, the unit's sum is 80 - 67 = 13, and 13 - 5 = 8. With one or none it is far below zero, ELU
# gives -1, and -1 - 5 = -6. So the mixer *has* the right table.
#
# **Predict.** The loss that gradient descent reaches from random starts?

# %%
my_qtran_loss = ...

# %%
learnt = gradient_fit(qtran, QMixer, seeds=20, steps=steps(full=1000, fast=20))
print("losses from", learnt.mse.min().round(3), "to", learnt.mse.max().round(3))
print("runs in which the agents earn 8:", int((learnt.greedy_payoff == 8).sum()))
print(learnt.tables[learnt.mse.argmin()].round(2))

# %%
reveal(my_qtran_loss, float(np.median(learnt.mse).round(2)), "-8 on the border and 0 in the block.")

# %% [markdown]
# **Explain.** At the start the network sees each action through the average over the partner's actions, and a
# averages worst. So a's utility sinks below b's and c's, and in *that order* of the actions -8 and 0 is the
# best that a monotone mixer can do: a local minimum. The right table needs the *other* order, with a on top,
# and on the way a would have to draw level with b and c first, which costs more than either end (chapter 04
# computes the hill). A wider network does not change the order.
#
# So OR and QTRAN's game fail for two different reasons. OR: the table is not there. QTRAN: it is there, and
# descent does not find it. Only the exact fits can tell the two apart.
#
# ### A mixer for what is lost
#
# OR is monotone, and so is this *staircase*. Is there a mixer, monotone still, that fits them? Three are tried below:
# QMIX's; the same with 256 hidden units in place of 32; and `UniversalMixer`, which puts a *concave* layer, a soft
# minimum, upon a convex one, soft maxima.
#
# **Predict.** Which of the three fit both tables? Write a list of three truth values. (The run takes half a
# minute or so.)

# %%
my_fits = ...

# %%
staircase = MatrixGame("staircase", [[0, 0, 1], [0, 1, 1], [1, 1, 1]], "one up is enough at the end")
mixers = {"QMIX": QMixer, "256 units": partial(QMixer, embed=256), "universal": UniversalMixer}
losses = {}
for name, mixer in mixers.items():
    fits = [gradient_fit(g, mixer, seeds=5, steps=steps(800, fast=20), learning_rate=1e-2) for g in (either, staircase)]
    losses[name] = [fit.mse.min() for fit in fits]
    print(f"{name:9}  best of 5 runs, OR {losses[name][0]:.4f}   staircase {losses[name][1]:.4f}")
print(f"floor of convex units    OR {supermodular_fit(either.payoff).mse:.4f}   ", end="")
print(f"staircase {supermodular_fit(staircase.payoff).mse:.4f}")

# %%
reveal(my_fits, [max(pair) < 0.01 for pair in losses.values()], "What is missing is not width.")

# %% [markdown]
# **Explain.** More units are more of the same: sums of convex units stay supermodular, and the floor stays. A soft
# maximum knows "one of us is enough", a minimum upon it "each of these must hold"; together, given enough of them, they
# come as near as one likes to *every* monotone table. It rises with every utility, so that the agents' best actions are
# still the team's. Whether descent finds a table that is there remains another question, as above.
#
# **Open question.** Are two layers needed? Keep one, and change its bend: in your `Mixer` put in place of `F.elu` its
# mirror image, `-F.elu(-x)`; or the one in half of the units and the other in the rest; or `torch.tanh`. All of them
# rise, so Q_tot does too. Which fit AND, OR and the staircase, with the descent of the last run? What is it in a bend
# that decides? Then look for a monotone game that the best of them misses and `UniversalMixer` does not. (Think of four
# agents in two pairs, and of what each single unit can say about them.)
#
# ## 7. Weights are not importance
#
# It is tempting to read $w_1$ as "how much agent a matters". Multiply an agent's utilities by 10 and divide
# its weights by 10:

# %%
rng = np.random.default_rng(3)
w1, w2 = random_weights(rng, share=0, units=4)
b1, q1, q2 = rng.normal(size=4), rng.normal(size=3), rng.normal(size=3)
before = q_tot_surface(w1, b1, w2, 0.0, q1, q2, "abs")
after = q_tot_surface(w1 / [[10], [1]], b1, w2, 0.0, 10 * q1, q2, "abs")
print("agent 1's mean weight:", w1[0].mean().round(3), "and", (w1[0] / 10).mean().round(3))
print("largest difference between the two tables:", np.abs(before - after).max())

# %% [markdown]
# The same table, the same choices, a tenth of the weight. Only weight *times* the spread of the utilities is
# felt, and even that changes from state to state.
#
# ## Three things people believe
#
# - *"Take abs of every parameter."* Of what multiplies a utility, and of nothing else. b1 and V(s) are free.
# - *"ELU makes the mixer universal."* It bends, one way only. OR is monotone and out of reach.
# - *"The mixer's weights are importance scores."* They can be a tenth in the same team.
#
# ## What to remember
#
# - Hypernetworks turn the state into weights; abs on w1 and w2 makes $Q_{tot}$ rise in every utility, for
#   certain. A negative weight does not always break it; it takes the certainty away.
# - V(s) is what the state is worth. It may be negative, and it never changes a choice.
# - |w| and ELU in one layer: monotone *and* supermodular. $\text{VDN} \subset \text{this} \subset \text{all
#   monotone}$, and both inclusions are strict: AND is on the second rung, OR on the third.
# - With free signs the same network fits XOR and QTRAN's game, and the agents no longer find the best cell.
# - Ask first whether the table is in the class (exact fit), then whether learning finds it.
#
# **The next question.** One step, one table. What if today's value is made of *tomorrow's fitted* value? →
# [07 The two-step game](07_two_step_game.ipynb)
#
# ## Sources
#
# **Read on:** Rashid et al. on the mixing network. Which reasons do they give for the hypernetworks, and for the free
# biases?
#
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)), section 4 and
#   figure 2: the mixing network and the hypernetworks.
# - Dugas et al., *Incorporating functional knowledge in neural networks*, JMLR 10, 2009: networks with
#   positive weights. What they can approximate depends on their activations.
# - Son et al., *QTRAN*, ICML 2019 ([arXiv 1905.05408](https://arxiv.org/abs/1905.05408)): the 3×3 game.
# - Topkis, *Supermodularity and Complementarity*, Princeton 1998: the word, and much more.
# - The shares, floors, losses and the proof are this course's own, and computed above.
