# %% [markdown]
# # 14 · Ablations: QMIX-NS, QMIX-Lin, VDN-S
#
# **Question.** Which part does the work?
#
# Chapter 13 opened one trained team. What a trained mixer computes does not tell what it *needed*: at a single state
# its surface was all but a plane, and still we cannot say that the bend was useless. For that we have to take it away.
#
# QMIX differs from VDN by several things at once: its mixing *bends*, it has *weights* that the state chooses, and a
# *bias* that the state chooses. An **ablation** takes one part away and leaves the rest:
#
# - **VDN-S**: only the bias. $Q_{tot} = \sum_a Q_a + V(s)$
# - **QMIX-Lin**: the state, and no bend. $Q_{tot} = \sum_a |w_a(s)|\, Q_a + b(s)$
# - **QMIX-NS** ("no state"): the bend, with weights that are the same in every state.
#
# You will be able to
# - read an ablation off a difference of a few lines, and write one;
# - say *before* training which tasks an ablation cannot represent;
# - compare a handful of seeds without fooling yourself;
# - say what an ablation shows about a part, and what else it took away.
#
# **Time needed:** 60 minutes; for about two of them the machine trains. Four exercises. Before it: [06 Inside the
# mixer](06_inside_the_mixer.ipynb), [07 The two-step game](07_two_step_game.ipynb), [12 IQL, VDN and QMIX on
# SMAC](12_qmix_on_smac.ipynb).

# %%
import difflib
import inspect

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import trim_mean
from torch import nn

from matrix_games import additive_fit, catalogue
from qmix_edu import algorithms, make_env, pretrained, train
from qmix_edu.exercises import chapter_14, reveal, steps
from qmix_edu.mixers import QMixer, QMixerLin, QMixerNS, VDNMixer, VDNSMixer
from qmix_edu.plots import plot_learning_curves
from qmix_edu.settings import default_steps, train_settings
from qmix_edu.sweep import interquartile_mean
from qmix_edu.types import EnvSpec

_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. One curve for each part
#
# The curves of this section were trained beforehand, on the battles of `3m`, several seeds of each algorithm with the
# same settings (300,000 steps). They come with the package. To train one more seed of each yourself, and see it among
# the others, write `RETRAIN = True` below; that takes five to ten minutes.
#
# **Predict.** Order the five by their final win rates on `3m`, the best first: a list of the names `"vdn"`, `"vdn_s"`,
# `"qmix_lin"`, `"qmix_ns"`, `"qmix"`. Then say to yourself how sure you are.

# %%
my_order = ...

# %%
LADDER, curves = ["vdn", "vdn_s", "qmix_lin", "qmix_ns", "qmix"], pretrained.curves("3m")
RETRAIN = False
for name in LADDER if RETRAIN else []:
    env = make_env("smax/3m", n_envs=32, seed=9)
    lines = train(env, getattr(algorithms, name)(env.spec, seed=9), steps(300_000, 30_000), seed=9)
    curves[name].append(tuple(zip(*((m["env_steps"], m["win_rate"]) for m in lines if "win_rate" in m), strict=True)))

# %%
final = pretrained.final_win_rates("3m")
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8), layout="constrained", width_ratios=[3, 2])
plot_learning_curves({name: curves[name] for name in LADDER}, ylabel="greedy win rate", ax=axes[0])
for row, name in enumerate(LADDER):
    middle, ends = interquartile_mean([np.array(final[name])])
    axes[1].plot(final[name], np.full(len(final[name]), row), "o", color="white", markeredgecolor="black")
    axes[1].plot(ends, [row + 0.2] * 2, "-", color="black")
    axes[1].plot(middle, row + 0.2, "|", color="black", markersize=12)
axes[1].set_yticks(range(len(LADDER)), LADDER)
axes[1].set(xlabel="win rate of the final policy, 256 battles", ylabel="algorithm", ylim=(-0.5, len(LADDER) - 0.5))
axes[1].grid(alpha=0.3, axis="x")

# %%
found = sorted(LADDER, key=lambda name: interquartile_mean([np.array(final[name])])[0], reverse=True)
reveal(my_order, found, "By interquartile means. But look at how far the circles of one row lie apart.")

# %% [markdown]
# **Picture.** Left: the median over seeds, with quartiles. Right: a circle for each seed, and above them their
# **interquartile mean**, the mean of the middle half, with its 95 % **bootstrap** interval: draw as many seeds again
# from those that you have, *with* replacement, take the interquartile mean of the draw, repeat it a few thousand times;
# 95 % of the results lie in the interval. (Chapter 16 has you write it.) The order is one thing; whether it would come
# out again with other seeds is another.
#
# ## 2. How sure, with a few seeds?
#
# Suppose the part that was taken away did *nothing*. Then the name on a run would be arbitrary, and every way to deal
# out the names would be equally likely. So count: of all ways to split the runs into two groups of these sizes, in
# which share is the first group's mean *at least as far ahead* as it was? That is an exact **permutation test**. It
# assumes nothing about how win rates are distributed.
#
# **Predict.** Three seeds against three. All of the first group beat all of the second. What is that share? Write a
# number.

# %%
my_share = ...

# %% [markdown]
# **Exercise 1.** Write `chance_of_lead`: that share. (`itertools.combinations` gives the ways to choose the first
# group. Allow for rounding: count a difference that falls short by less than 1e-9.)


# %% tags=["exercise"]
def chance_of_lead(scores, others):
    """Return the share of relabellings in which the first group is at least as far ahead as here."""
    ### BEGIN SOLUTION
    from itertools import combinations

    runs, size = np.array([*scores, *others]), len(scores)
    firsts = [list(chosen) for chosen in combinations(range(len(runs)), size)]
    leads = [runs[first].mean() - np.delete(runs, first).mean() for first in firsts]
    return np.mean(np.array(leads) >= np.mean(scores) - np.mean(others) - 1e-9)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_14 import check_chance_of_lead

check_chance_of_lead(chance_of_lead)

# %%
clear = chapter_14.chance_of_lead([0.7, 0.8, 0.9], [0.4, 0.5, 0.6])
reveal(my_share, clear, "One way out of 20. With three against three it never gets smaller.")

# %% [markdown]
# Now the ablations on `3m`, each against QMIX:

# %%
for name in LADDER[:-1]:
    seeds = f"{len(final['qmix'])} against {len(final[name])} seeds"
    print(f"qmix ahead of {name:8s} by chance: {chapter_14.chance_of_lead(final['qmix'], final[name]):.3f}   ({seeds})")

# %% [markdown]
# And the *intervals* of the picture: do they hold what they promise? A bootstrap knows the few seeds that it has. We
# invent an algorithm whose final win rates we know (a beta distribution around .8), draw n seeds of it, and see how
# often the 95 % interval contains the true interquartile mean.
#
# **Predict.** With three seeds, in which share of cases? Write a number between 0 and 1.

# %%
my_coverage = ...

# %%
rng = np.random.default_rng(0)
truth = trim_mean(rng.beta(16, 4, size=1_000_000), 0.25)
coverage = {}
for seeds in (3, 5, 10, 20):
    intervals = [interquartile_mean([rng.beta(16, 4, size=seeds)])[1] for _ in range(steps(300, 20))]
    coverage[seeds] = np.mean([low <= truth <= high for low, high in intervals])
    print(f"{seeds:2d} seeds: the 95 % interval holds the truth in {100 * coverage[seeds]:.0f} % of cases")
reveal(my_coverage, round(float(coverage[3]), 2), "Three numbers do not know how far a fourth might lie off.")

# %% [markdown]
# **Explain.** With three seeds a bootstrap interval is much too short, and no test can speak below 1 in 20. It does not
# follow that the parts make no difference. It follows that these runs cannot show a small one. And that a curve that
# lies above another is not a finding.
#
# ## 3. Read the difference
#
# What exactly was taken away? Let Python compare the sources; `-` is QMIX, `+` the ablation.


# %%
def show_difference(before, after):
    """Print the lines in which the mixing of two classes differs."""
    sources = [inspect.getsource(mixer.forward).splitlines() for mixer in (before, after)]
    names = [mixer.__name__ for mixer in (before, after)]
    print(*difflib.unified_diff(*sources, *names, lineterm="", n=0), sep="\n")


show_difference(QMixer, QMixerLin)

# %%
show_difference(QMixer, QMixerNS)

# %%
show_difference(VDNMixer, VDNSMixer)

# %% [markdown]
# **Exercise 2.** Write the mixing of QMIX-Lin without looking again: `q` holds the utilities of the chosen actions,
# `raw_weights` what the hypernetwork says (of either sign), `bias` a number.


# %% tags=["exercise"]
def qmix_lin(q, raw_weights, bias):
    """Return Q_tot of QMIX-Lin."""
    ### BEGIN SOLUTION
    return np.abs(raw_weights) @ q + bias
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_14 import check_qmix_lin

check_qmix_lin(qmix_lin)

# %% [markdown]
# Sources can hide what a function does, so we probe the mixers from outside as well: does the value bend in the
# utilities; does the state move the *value*; does it change the *slopes* dQ_tot/dQ_a; do the agents have weights of
# their own?

# %%
MIXERS = {
    "vdn": lambda n, s: VDNMixer(),
    "vdn_s": lambda n, s: VDNSMixer(s),
    "qmix_lin": QMixerLin,
    "qmix_ns": lambda n, s: QMixerNS(n),
    "qmix": QMixer,
}
for name, make in MIXERS.items():
    print(f"{name:9s}", *(f"{part}: {'yes' if has else 'no ':3s} " for part, has in chapter_14.parts_of(make).items()))

# %% [markdown]
# ## 4. Where must each part be missed?
#
# An agent that *sees* the state can put everything about it into its own utilities. So the state in the mixer can only
# help with what the agents do not see. Four tasks, two states, two agents with two actions:
#
# - **bend**: the agents see the state; the tables are 2A and 2B of the two-step game.
# - **offset**: they do not see it; the second table is the first plus 6.
# - **scale**: they do not see it; the second table is three times the first.
# - **both**: they do not see it; the first table is a sum, the second is 2B.

# %%
SUM, TWO_A, TWO_B = np.array([[0.0, 1], [2, 3]]), catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff
TASKS = {
    "bend": ([TWO_A, TWO_B], True),
    "offset": ([SUM, SUM + 6], False),
    "scale": ([SUM, 3 * SUM], False),
    "both": ([SUM, TWO_B], False),
}
for name, (tables, sees) in TASKS.items():
    print(f"{name:7s} agents see the state: {sees!s:6}", *(table.tolist() for table in tables))

# %% [markdown]
# **Predict.** Which of the four can each hold without an error? Write, for every mixer, the *number* of tasks: five
# numbers for VDN, VDN-S, QMIX-Lin, QMIX-NS, QMIX.

# %%
my_counts = ...

# %% [markdown]
# **Exercise 3.** Decide it by reasoning, for agents that do *not* see the state and the three mixers without a bend:
# write `can_hold(mixer, tables)`, where `mixer` is "vdn", "vdn_s" or "qmix_lin", and `tables` lists one payoff table
# of two agents for each state. (A table is a sum when it equals its mean plus *effects* of the rows plus effects of the
# columns. What may differ between the states? Tolerance 1e-9.)


# %% tags=["exercise"]
def can_hold(mixer, tables):
    """Return whether the mixer can represent all tables at once, the agents' utilities being the same in all."""
    ### BEGIN SOLUTION
    rows = [table.mean(axis=1) - table.mean() for table in tables]
    columns = [table.mean(axis=0) - table.mean() for table in tables]
    for table, row, column in zip(tables, rows, columns, strict=True):
        if not np.allclose(table, table.mean() + row[:, None] + column, atol=1e-9):
            return False
    if mixer == "qmix_lin":  # each agent's effects: one direction, any length
        pairs = [(x, y) for effects in (rows, columns) for x in effects for y in effects]
        return all(np.isclose(x @ y, np.linalg.norm(x) * np.linalg.norm(y), atol=1e-9) for x, y in pairs)
    same = [np.allclose(x, effects[0], atol=1e-9) for effects in (rows, columns) for x in effects]
    means = [np.isclose(table.mean(), tables[0].mean(), atol=1e-9) for table in tables]
    return all(same) and (mixer == "vdn_s" or all(means))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_14 import check_can_hold

check_can_hold(can_hold)

# %% [markdown]
# **Run.** Now let gradient descent try, with the library's mixers and utilities that are free numbers (no network makes
# them), on all joint actions of both states at once. The figure shows which share of the tables' variance is left over.


# %% tags=["lesson"]
def left_over(make_mixer, tables, sees, seed=0):
    """Fit a mixer and free utilities to one table for each state; return the share of variance not explained."""
    torch.manual_seed(seed)
    n_states, m = len(tables), len(tables[0])
    cells = torch.cartesian_prod(torch.arange(n_states), torch.arange(m), torch.arange(m))  # state, action, action
    wanted, state = torch.tensor(np.array(tables)).float().flatten(), torch.eye(n_states)[cells[:, 0]]
    utilities = nn.Parameter(0.1 * torch.randn(n_states if sees else 1, 2, m))
    row, mixer = cells[:, 0] * sees, make_mixer(2, n_states)
    optimiser = torch.optim.Adam([utilities, *mixer.parameters()], lr=3e-2)
    for _ in range(steps(800, 20)):
        q = utilities[row[:, None], torch.arange(2), cells[:, 1:]]
        loss = ((mixer(q, state)[:, 0] - wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item() / wanted.var(correction=0).item()


left = np.array([[left_over(make, *task) for task in TASKS.values()] for make in MIXERS.values()])

# %%
ax = plt.subplots(figsize=(6, 3.8), layout="constrained")[1]
image = ax.imshow(left, cmap="Greys", vmin=0, vmax=1)
for i, j in np.ndindex(left.shape):
    ax.text(j, i, f"{left[i, j]:.2f}", ha="center", va="center", color="white" if left[i, j] > 0.5 else "black")
ax.set_xticks(range(len(TASKS)), TASKS)
ax.set_yticks(range(len(MIXERS)), MIXERS)
ax.set(xlabel="task", ylabel="mixer")
_ = ax.figure.colorbar(image, ax=ax, label="share of variance left over")

# %%
reveal(my_counts, (left < 0.01).sum(axis=1).tolist(), "Each part opens a task of its own, and only both open the last.")

# %%
for name in ("vdn", "vdn_s", "qmix_lin"):
    verdicts = {task: chapter_14.can_hold(name, tables) for task, (tables, sees) in TASKS.items() if not sees}
    print(f"by reasoning, {name} holds", [task for task, holds in verdicts.items() if holds])
exact = np.mean([additive_fit(table).mse for table in (TWO_A, TWO_B)]) / np.var([TWO_A, TWO_B])
print(f"exactly, a sum for each state leaves {exact:.4f} of 'bend'; fitted: {left[:3, 0].round(4).tolist()}")

# %% [markdown]
# **Explain.** Read the figure by columns.
#
# - *bend*: 2B is no sum. Where the agents see the state, VDN, VDN-S and QMIX-Lin are the *same class*, one sum for each
#   state: V(s) cannot bend a table, and weights cannot either. QMIX-NS needs no state, since the agents bring it.
# - *offset*: a **bias** of the state is enough, and its absence hurts even the mixer that bends.
# - *scale*: the state must be in the **weights**. V(s) takes away the difference of the means, no more.
# - *both*: state and bend. Only QMIX.
#
# "State helps because it is more input" is therefore not the point. *Where* the state enters decides what it can do.
#
# ## 5. What is a bias good for, if it moves no action?
#
# V(s) changes no greedy action, in no state. In *offset*, VDN's sum would choose right as well, given endless data. But
# with few plays the offset is noise to it. Each team now plays *offset* a few times at random, the state drawn anew
# each time (and rewards with noise of standard deviation 1), and fits its values by least squares.
#
# **Predict.** After 20 plays, how often do the greedy actions of VDN, and of VDN-S, pay the most? Write two shares.

# %%
my_shares = ...


# %%
def right_choice(plays, with_bias, rng):
    """Whether greedy agents play the best joint action after so many random plays of 'offset'."""
    state, row, column = rng.integers(2, size=(3, plays))
    reward = SUM[row, column] + 6 * state + rng.normal(size=plays)
    features = np.column_stack([np.eye(2)[row], np.eye(2)[column], *([state] if with_bias else [])])
    values = np.linalg.lstsq(features, reward)[0]
    return values[1] > values[0] and values[3] > values[2]


PLAYS, REPEATS = [10, 20, 40, 80, 160], steps(2_000, 100)
rng = np.random.default_rng(1)
shares = {
    name: [np.mean([right_choice(plays, with_bias, rng) for _ in range(REPEATS)]) for plays in PLAYS]
    for name, with_bias in (("VDN", False), ("VDN-S", True))
}

# %%
ax = plt.subplots(figsize=(6, 3.2), layout="constrained")[1]
for (name, values), line in zip(shares.items(), ["s--", "o-"], strict=True):
    ax.semilogx(PLAYS, values, line, label=name)
ax.set_xticks(PLAYS, PLAYS)
ax.set(xlabel="plays", ylabel="share of teams that choose best", ylim=(0, 1.02))
_ = ax.legend()

# %% [markdown]
# *Caption.* The share of teams whose greedy agents play the best joint action, against the number of random plays that
# they learnt from (logarithmic axis), without and with a bias of the state.

# %%
at_twenty = [round(float(shares[name][1]), 2) for name in shares]
reveal(my_shares, at_twenty, "The bias explains what the agents are not to blame for.")

# %% [markdown]
# **Explain.** A bias of the state is a *baseline*: it takes luck of the situation out of the agents' values (chapter 15
# meets the idea again, in policy gradients). And in games of several steps the size of the values travels back through
# the targets, greedy action or not (chapter 07).
#
# ## 6. The two-step game, by training
#
# **Predict.** The returns of VDN-S, QMIX-Lin and QMIX-NS in the two-step game: each 7 (the safe branch) or 8. Both
# agents see the state. Write three numbers.

# %%
my_returns = ...

# %% [markdown]
# **Run.** Some ten seconds each; uniform exploration as in chapter 07, and half as long.


# %%
def two_step_return(name, seed=0):
    """Train on the two-step game; return what the team then earns."""
    env = make_env("two-step", n_envs=train_settings("two-step").n_envs)
    learner = getattr(algorithms, name)(env.spec, seed=seed)
    length = steps(default_steps("two-step") // 2, 512)
    return list(train(env, learner, length, seed=seed))[-1]["mean_return"]


returns = {name: two_step_return(name) for name in ("vdn_s", "qmix_lin", "qmix_ns")}
print(returns)
reveal(my_returns, list(returns.values()), "The column 'bend' of the figure, carried back one step.")

# %% [markdown]
# **Explain.** The agents see the state, so VDN-S and QMIX-Lin are sums here: in 2B they expect 6.5 at most, hence 6.435
# of branch B against 6.93 of branch A, as computed in chapter 07 for VDN. QMIX-Lin has the state *in its weights*, and
# it does not help: what is missing is the bend.
#
# ## 7. Is the comparison fair?
#
# A part that is taken away takes its weights along. The numbers of learnt weights of the mixers on `3m`:

# %%
spec = EnvSpec("smax/3m", 32, n_agents=3, n_actions=8, obs_size=75, state_size=72, episode_limit=100)
for name in MIXERS:
    networks = getattr(algorithms, name)(spec).online
    mixer, agent = (sum(w.numel() for w in networks[part].parameters()) for part in ("factorisation", "agent"))
    print(f"{name:9s} mixer {mixer:6,}   agents {agent:,}")

# %% [markdown]
# QMIX-NS is QMIX without the state, and without nearly all of the mixer's weights. If it does worse, which of the two
# was it? An ablation needs a **control**: the part back without the size, and the size back without the part.
#
# **Predict.** The task *both* once more: QMIX with a single hidden unit; QMIX-NS with 512 hidden units; and QMIX with
# all its hypernetworks, which are shown a constant in the place of the state. Which of them hold it? Write three truth
# values.

# %%
my_controls = ...


# %%
class BlindQMixer(QMixer):
    """QMIX with all its weights, and a constant in the place of the state."""

    def forward(self, q, state):
        return super().forward(q, torch.ones_like(state))


controls = {
    "QMIX, 1 unit": lambda n, s: QMixer(n, s, embed=1),
    "QMIX-NS, 512 units": lambda n, s: QMixerNS(n, 512),
    "QMIX, blind": BlindQMixer,
}
remaining = {name: left_over(make, *TASKS["both"]) for name, make in controls.items()}
for name, make in controls.items():
    weights = sum(w.numel() for w in make(2, 2).parameters())
    print(f"{name:18s} {weights:6,} weights, {remaining[name]:.2f} of the variance left over")
reveal(my_controls, [share < 0.01 for share in remaining.values()], "Here it is the part, not the size.")

# %% [markdown]
# **Explain.** On this task the state does the work, whatever the size. In a battle we would not know: there the number
# of weights also changes how *fast* a network learns, and a learning rate that suits the one need not suit the other.
# An ablation that does worse with settings that were tuned for the whole shows that the part is needed *at these
# settings*.
#
# ## 8. Your own ablation
#
# **Exercise 4 (open).** Which part do you want to question? Write `ablated_mixer(n_agents, state_size)`: it returns a
# mixer (an `nn.Module` with `forward(q, state)`, from `[*b, n]` and `[*b, s]` to `[*b, 1]`) that is monotone, still
# hears every agent, and lacks *one* thing that QMIX has: the bend, or the state, or the state in the slopes, or the
# agents' own weights. Or it has everything with fewer weights. Ideas: one weight for all agents; the state in the last
# layer only; one layer less in the hypernetworks.


# %% tags=["exercise"]
def ablated_mixer(n_agents, state_size):
    """Return a mixer that lacks one part of QMIX."""

    ### BEGIN SOLUTION
    class EqualAgents(QMixer):
        """QMIX in which all agents have the same weights."""

        def raw_parameters(self, state):
            raw = super().raw_parameters(state)
            return raw | {"w1": raw["w1"].abs().mean(dim=-2, keepdim=True).expand_as(raw["w1"])}

    return EqualAgents(n_agents, state_size)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_14 import check_ablated_mixer

check_ablated_mixer(ablated_mixer)

# %% [markdown]
# Where would *yours* be missed? Invent a task for it, as in section 4, and put it through `left_over`. For the ablation
# "one weight for all agents" a natural guess is a state that decides *who* matters:

# %%
WHO = ([np.array([[0.0, 1], [3, 4]]), np.array([[0.0, 3], [1, 4]])], False)
tried = {"qmix_lin": QMixerLin, "equal agents": chapter_14.EqualAgents, "qmix": QMixer}
for name, make in tried.items():
    print(f"{name:13s} scale: {left_over(make, *TASKS['scale']):.3f}   who: {left_over(make, *WHO):.3f} left over")

# %% [markdown]
# ## 9. One map
#
# Back to battles. The same comparison, VDN against QMIX, on every map whose runs come with the course:

# %%
for path in sorted(pretrained.FOLDER.glob("*.json")):
    rates = pretrained.final_win_rates(path.stem)
    medians = {name: float(np.median(rates[name])) for name in ("vdn", "qmix")}
    chance = chapter_14.chance_of_lead(rates["qmix"], rates["vdn"])
    print(f"{path.stem:9s} median win rate: vdn {medians['vdn']:.2f}, qmix {medians['qmix']:.2f};", end=" ")
    print(f"qmix so far ahead by chance: {chance:.3f}")

# %% [markdown]
# **Explain.** Whether a part is needed depends on the task, and so does how much it is worth. `3m` has three like units
# and short battles, and all algorithms of section 1 win more often than not. A map like `3s_vs_5z`, where three must
# outmanoeuvre five, spreads the same two algorithms far apart. Rashid et al. (2018) found on *their* maps that 3m does
# not need the bend, while mixed teams (2s3z, 3s5z) needed the bend and the state. A part that does nothing on one map
# may carry another, and the other way round.
#
# ## Three things people believe
#
# - *"The state helps because it is more input."* Section 4: as a bias, in the weights, or not at all, depending on what
#   the agents see. Where they see the state, it opens no table that was closed.
# - *"An ablation that does worse shows that the part is necessary."* Section 7: it also lost its weights, and kept
#   settings that were tuned for the whole. Section 2: and it may be luck.
# - *"One map generalises."* Section 9.
#
# ## What to remember
#
# - VDN-S: the state as a bias. It moves no action and removes noise. QMIX-Lin: the state in the weights, a sum for each
#   state. QMIX-NS: the bend, one for all states.
# - Ask first what the class cannot hold; then look whether the task needs it; then train.
# - Three seeds against three: no chance below 1 in 20, and bootstrap intervals that are too short.
# - Every ablation wants its control.
#
# **The next question.** Why factorise at all? → [15 Central joint Q, and policy
# gradients](15_joint_q_and_policy_gradients.ipynb)
#
# ## Sources
#
# **Read on:** the ablations in Rashid et al. Hold section 4's table against the maps: which part is missed on which,
# and do they say why?
#
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)): the three ablations, on the
#   two-step game and in StarCraft II; VDN-S, QMIX-Lin and QMIX-NS are theirs.
# - Agarwal et al., *Deep reinforcement learning at the edge of the statistical precipice*, NeurIPS 2021
#   ([arXiv 2108.13264](https://arxiv.org/abs/2108.13264)): interquartile means and bootstrap intervals with few runs.
# - Fisher, *The design of experiments*, 1935: tests by relabelling.
# - In this project: `qmix_edu/mixers.py`; the trained runs are made by `make pretrained`.
