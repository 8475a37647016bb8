# %% [markdown]
# # 07 · The two-step game: IQL, VDN, QMIX
#
# **Question.** VDN's table of the game 2B is wrong, and its choice in it is right. So is there any harm?
# What happens when today's value is made of tomorrow's *fitted* one?
#
# You will be able to
# - follow a wrong value back through time, by hand;
# - train IQL, VDN and QMIX with the library, and read their values off the trained networks;
# - say which part of QMIX does the work here, and test it by taking parts away;
# - build a game in which a team that plays each table perfectly still goes the wrong way.
#
# **Time needed:** 60 minutes. Three exercises. Before it: [03 Additive
# factorisation](03_additive_factorisation.ipynb), [06 Inside the mixer](06_inside_the_mixer.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from matrix_games import additive_fit, catalogue, is_additive, supermodular_fit
from qmix_edu import Learner, algorithms, learner_settings, make_env, train
from qmix_edu.agents import MLPAgent
from qmix_edu.exercises import chapter_07, reveal, steps
from qmix_edu.mixers import Mixed, QMixer
from qmix_edu.plots import plot_fits, plot_payoff
from qmix_edu.settings import default_steps, train_settings

torch.set_num_threads(1)

# %% [markdown]
# ## 1. The game
#
# Two agents, two actions each, two steps. In **state 1** only agent 1's action matters: with A the team moves to
# **2A**, with B to **2B**, and nothing is paid. In the second step the team is paid from the table it is in. Then
# it is over. Both agents see which state they are in.

# %%
two_a, two_b = catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for title, payoff, ax in (("2A", two_a, left), ("2B", two_b, right)):
    plot_payoff(payoff, ax=ax).text(-0.5, -0.62, title, fontsize=14)

# %% [markdown]
# 2A is safe: 7, whatever they do. In 2B they can get 8, if both play b. All that a team is paid until the end, added
# up, is its **return**. The best return here is 8: B, then (b, b).
#
# **Predict.** Which branch does a VDN team take, `"A"` or `"B"`? It has seen every joint action equally often.

# %%
my_vdn_branch = ...

# %% [markdown]
# **Run.** The two tables as each method sees them. VDN can hold a sum; QMIX's mixer anything monotone and
# supermodular (chapter 06). These are the exact best fits, without any training.

# %%
gamma = 0.99
for payoff in (two_a, two_b):
    vdn, qmix = additive_fit(payoff), supermodular_fit(payoff)
    greedy = {"VDN": vdn.greedy, "QMIX": qmix.greedy}
    plot_fits(payoff, {"VDN": vdn.values, "QMIX": qmix.values}, greedy)

# %% [markdown]
# In 2B VDN chooses (b, b), which pays 8. But what it *expects* there is 6.5. And state 1 learns from what is
# expected. Its **target**, the number that a value is moved towards, is for a step into a branch
#
# $$y = r + \gamma \max_{a'} Q_{tot}(\text{branch}, a'), \qquad r = 0,\; \gamma = 0.99.$$
#
# The **discount** γ makes what comes one step later count a little less; $a'$ runs over the branch's joint actions.
#
# **Exercise 1.** Write `branch_value(payoff, gamma)`: what a step that leads to the table `payoff` is worth to
# VDN, when all joint actions of that table are seen equally often. Any table, any γ.


# %% tags=["exercise"]
def branch_value(payoff, gamma):
    """Return the value that VDN learns for the step before this table."""
    ### BEGIN SOLUTION
    fitted = payoff.mean(axis=1, keepdims=True) + payoff.mean(axis=0, keepdims=True) - payoff.mean()
    return gamma * fitted.max()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_07 import check_branch_value

check_branch_value(branch_value)

# %%
value_a, value_b = (chapter_07.vdn_branch_value(payoff, gamma) for payoff in (two_a, two_b))
print(f"VDN in state 1: A {value_a:.3f}, B {value_b:.3f}   the truth: A {gamma * 7:.3f}, B {gamma * 8:.3f}")
reveal(my_vdn_branch, "A" if value_a > value_b else "B", "It expects 6.435 of B, and would earn 8 there.")

# %% [markdown]
# **Explain.** In 2B no harm is done: the order of the actions is right. One step earlier the *size* of the value
# is compared with another branch's, and the size is wrong. The table of state 1 itself (rows 6.93 and 6.435) is a
# sum, as only one agent matters: VDN fits it perfectly. The error is not where the wrong choice is made. It was
# carried there, by **bootstrapping**: making targets of one's own values.
#
# ## 2. Chosen by what is expected, paid by what is true
#
# **Exercise 2.** Write `team_return(branches)`: agent 1 chooses among any number of branches, each leading to a
# payoff table. What does VDN's team earn? (All tables come one step later, so γ changes nothing here. You may use
# `additive_fit`.)


# %% tags=["exercise"]
def team_return(branches):
    """Return the payoff that VDN's team earns; branches is a list of payoff tables."""
    ### BEGIN SOLUTION
    fits = [additive_fit(payoff) for payoff in branches]
    taken = max(range(len(fits)), key=lambda k: fits[k].values.max())
    return branches[taken][fits[taken].greedy[0]]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_07 import check_team_return

check_team_return(team_return)

# %% [markdown]
# And **independent learners**? Agent 1 values its own actions only. In 2B its row b earns 1 or 8, 4.5 on average
# over a partner who explores. So B is worth .99 · 4.5 to it:

# %%
print("IQL, agent 1 in state 1: A", gamma * two_a.mean(axis=1).max(), " B", gamma * two_b.mean(axis=1).max())

# %% [markdown]
# ## 3. Train them
#
# Now with networks: the same `train` that will win battles in chapter 12. The agents are small networks that see
# the state, their last action and who they are; exploration stays at ε = 1 to the end, so that the data are
# uniform and the values above are what each method should arrive at.
#
# **Predict.** The return of each, played greedily after training. Write three numbers, for IQL, VDN and QMIX.

# %%
my_returns = ...


# %% [markdown]
# First a way to look inside: $Q_{tot}$ of the four joint actions in a state (0 is state 1, then 2A, 2B). An agent
# sees its last action, so say what it was; 2 stands for "none yet".


# %% tags=["lesson"]
def q_table(learner, state, last_actions):
    """Q_tot of all joint actions, [2, 2]; for IQL agent 1's own utilities, the same in both columns."""
    states = torch.eye(3)[state].expand(4, 3)
    joint_actions = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    last = torch.tensor(last_actions).expand(4, 2)
    utilities, _ = learner.utilities(states.unsqueeze(1).expand(4, 2, 3), last, None)
    everything = torch.ones(4, 2, 2, dtype=torch.bool)
    return learner.value(utilities, joint_actions, everything, states)[:, 0].reshape(2, 2).double().numpy()


def trained(make_learner, seed=0):
    """Train, and keep state 1's values of A and B at every log point."""
    env = make_env("two-step", n_envs=train_settings("two-step").n_envs)
    learner, log = make_learner(env.spec, seed=seed), []
    for metrics in train(env, learner, steps(full=default_steps("two-step"), fast=512), seed=seed):
        log.append((metrics["env_steps"], *q_table(learner, 0, (2, 2)).mean(axis=1)))
    return learner, np.array(log), metrics["mean_return"]


# %% [markdown]
# **Run.** Ten to thirty seconds each.

# %%
runs = {}
for name in ("iql", "vdn", "qmix"):
    runs[name] = trained(getattr(algorithms, name))
    print(f"{name} is trained")

# %%
returns = [runs[name][2] for name in runs]
print(dict(zip(runs, returns, strict=True)))
reveal(my_returns, returns, "IQL and VDN go to the safe branch; QMIX sees that B is worth more.")

# %%
exact = {
    "iql": [gamma * payoff.mean(axis=1).max() for payoff in (two_a, two_b)],
    "vdn": [value_a, value_b],
    "qmix": [gamma * supermodular_fit(payoff).values.max() for payoff in (two_a, two_b)],
}
_, axes = plt.subplots(1, 3, figsize=(12, 3.4), sharey=True, layout="constrained")
for ax, (name, (_, log, mean_return)) in zip(axes, runs.items(), strict=True):
    for column, branch, colour, style in ((1, "A", "#0072B2", "-"), (2, "B", "#D55E00", "--")):
        ax.plot(log[:, 0], log[:, column], style, color=colour, label=f"branch {branch}")
        ax.axhline(exact[name][column - 1], color=colour, linewidth=0.8, linestyle=":")
    ax.set(title=f"{name.upper()}: return {mean_return:g}", xlabel="environment steps", ylim=(0, 9))
axes[0].set_ylabel("value in state 1 (dotted: exact)")
_ = axes[0].legend()

# %% [markdown]
# The dotted lines are not the optimum: they are what *each method's own* table leads to. VDN's B stays below its
# A, for ever, and by as much as we computed. More training does not help it.
#
# Now the table 2B, as the trained networks see it. (They came there by agent 1's B, agent 2 having played a.)

# %%
seen = {name.upper(): q_table(runs[name][0], 2, (1, 0)).round(3) for name in ("vdn", "qmix")}
_ = plot_fits(two_b, seen, greedy={name: [np.unravel_index(table.argmax(), (2, 2))] for name, table in seen.items()})

# %%
for name, (learner, _, _) in runs.items():
    a, b = q_table(learner, 0, (2, 2)).mean(axis=1)
    print(f"{name:5} state 1: A {a:.2f}  B {b:.2f}   exact A {exact[name][0]:.2f}  B {exact[name][1]:.2f}")
print("all see 2A as about 7:", *(q_table(run[0], 1, (0, 0)).mean().round(2) for run in runs.values()))
alone = q_table(runs["iql"][0], 2, (1, 0)).mean(axis=1).round(2)
print("IQL in 2B, agent 1's utilities:", alone, " exact", two_b.mean(axis=1))

# %% [markdown]
# **Explain.** QMIX's values stand still: its network can hold all three tables, so in the end there is no error
# left, and nothing to learn from. VDN's and IQL's tremble: no sum fits 2B, nor does a list of one agent's own
# values, so every batch pulls in another direction, whatever was learnt before. A loss that does not go to zero
# is not always noise in the *game*; this game has none.
#
# ## 4. Which part does the work?
#
# QMIX differs from VDN in two ways: the mixing depends on the **state**, and it **bends** (a hidden layer with
# ELU). Take away one at a time:
#
# - **QMIX-Lin**: state, no bend. $Q_{tot} = \sum_a |w_a(s)|\,Q_a + b(s)$
# - **QMIX-NS**: bend, no state. The same network, with weights that are the same in every state.
#
# **Predict.** The returns of QMIX-Lin and of QMIX-NS. (Training takes as long as above, for each.)

# %%
my_lin_return = ...
my_ns_return = ...


# %% tags=["lesson"]
class LinearMixer(nn.Module):
    """QMIX-Lin: a weighted sum; the state chooses the weights."""

    def __init__(self, n_agents, state_size):
        super().__init__()
        self.w, self.b = nn.Linear(state_size, n_agents), nn.Linear(state_size, 1)

    def forward(self, q, state):
        return (q * self.w(state).abs()).sum(dim=-1, keepdim=True) + self.b(state)


class StatelessMixer(QMixer):
    """QMIX-NS: the mixing network without the state."""

    def forward(self, q, state):
        return super().forward(q, torch.ones_like(state))


def with_mixer(mixer):
    """Return what makes a learner with this mixer, everything else as QMIX has it."""
    return lambda spec, seed: Learner(
        spec,
        mixer.__name__,
        agent=lambda: MLPAgent(spec),
        factorisation=lambda: Mixed(mixer(spec.n_agents, spec.state_size)),
        settings=learner_settings(spec.name),
        seed=seed,
    )


parts = {}
for name, mixer in {"QMIX-Lin": LinearMixer, "QMIX-NS": StatelessMixer}.items():
    parts[name] = learner, _, mean_return = trained(with_mixer(mixer))
    print(name, "returns", mean_return, "and sees 2B as", q_table(learner, 2, (1, 0)).round(2).tolist())

# %%
reveal(my_lin_return, parts["QMIX-Lin"][2], "It knows the state and cannot bend.")

# %%
reveal(my_ns_return, parts["QMIX-NS"][2], "It bends, and the agents' own utilities tell it where they are.")

# %% [markdown]
# **Explain.** QMIX-Lin may use other weights in every state, but *within* a state they are fixed numbers. Then
# $|w_1|\,Q_1(a_1) + |w_2|\,Q_2(a_2) + b$ is again something of $a_1$ plus something of $a_2$: a sum, one for each
# state. 2B is no sum. Its best is VDN's table, whatever the weights:

# %%
rng = np.random.default_rng(0)
q1, q2, w, b = rng.normal(size=2), rng.normal(size=2), np.abs(rng.normal(size=2)), rng.normal()
lin_table = w[0] * q1[:, None] + w[1] * q2[None, :] + b
print("a QMIX-Lin table is additive:", bool(is_additive(lin_table)), "  2B is additive:", bool(is_additive(two_b)))
print("least loss of any sum on 2B:", additive_fit(two_b).mse)

# %% [markdown]
# QMIX-NS has one mixing function for all states. But its *inputs*, the utilities, come from agents that see which
# state they are in. They can live on different parts of its surface in 2A and in 2B. Here, then, the bend does
# the work, and the state none. (Where the agents do not see the state, it can be otherwise: chapter 14.) Rashid
# et al. report the same: 8 for QMIX and QMIX-NS, 7 for the others.
#
# ## 5. Build the trap yourself
#
# In the two-step game the wrong branch costs 1 of 8. How bad can it get, if the team plays *each table*
# perfectly?
#
# **Exercise 3 (open).** Write `trap(size)`: two tables of `size` × `size`, such that (1) in each of them VDN's greedy
# choice is a best cell, and yet (2) VDN takes the branch whose best cell is the lower one, and (3) earns less than
# half of what was possible.


# %% tags=["exercise"]
def trap(size):
    """Return two payoff tables in which VDN plays perfectly, and between which it chooses badly."""
    ### BEGIN SOLUTION
    safe = np.full((size, size), 4.0)
    rich = np.full((size, size), -5.0)
    rich[0, :] = rich[:, 0] = -10
    rich[0, 0] = 10
    return safe, rich
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_07 import check_trap

check_trap(trap)

# %% [markdown]
# ## Three things people believe
#
# - *"A wrong value is harmless when the greedy action is right."* In the last step it is. One step earlier it is
#   compared with other branches.
# - *"QMIX's gain is that it uses the state."* Here it gains without the state (QMIX-NS), and with the state alone
#   it gains nothing (QMIX-Lin).
# - *"More training will fix it."* VDN has arrived at its own fixed point, 6.93 and 6.435.
#
# ## What to remember
#
# - Bootstrapping puts the *fitted* maximum in the place of the truth: an error of representation travels back in
#   time.
# - Inside a table the order of the values decides; between branches their size does.
# - VDN: 6.93 against 6.435, return 7. QMIX: 6.93 against 7.92, return 8. IQL sees averages, and returns 7.
# - To know which part of a method does the work, take one part away at a time.
#
# **The next question.** QMIX's class was large enough here. What if the game is not even monotone? → [08 Beyond
# monotonicity; sacrifice](08_beyond_monotonicity.ipynb)
#
# ## Sources
#
# **Read on:** Rashid et al. on the two-step game. Which of the numbers in their tables would change if the team
# explored less?
#
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)), section 5: the
#   two-step game; the appendix: QMIX-Lin and QMIX-NS on it.
# - Sunehag et al., *Value-decomposition networks*, 2017 ([arXiv 1706.05296](https://arxiv.org/abs/1706.05296)).
# - The exact values are computed above. Differences from the paper's training: many games side by side, large
#   batches, Adam, our network sizes; as there, ε = 1 throughout and γ = 0.99.
