# %% [markdown]
# # 09 · From DQN to many agents
#
# **Question.** So far every value had its own cell in a table. Battles have more situations than any table has
# cells. What changes when the table is gone?
#
# You will be able to
# - say who sees what in a Dec-POMDP, while playing and while learning;
# - read a padded batch of episodes, and say of each step where its target looks;
# - write the target, the double-Q choice and the masked loss, and say what each mask is for;
# - find five bugs by changing what a loss must not read.
#
# **Time needed:** 60 minutes. Five exercises. Before it: [07 The two-step game](07_two_step_game.ipynb).

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from qmix_edu import algorithms, make_env
from qmix_edu.exercises import chapter_09, reveal
from qmix_edu.exercises.chapter_09 import failures, greedy, mix, small_batch, take
from qmix_edu.plots import plot_batch
from qmix_edu.rollout import play
from qmix_edu.td import masked_td_loss, td_lambda_targets

torch.set_num_threads(1)

# %% [markdown]
# ## 1. Who sees what
#
# Two agents carry goods through a small room, `gridworld/deterministic`. They grasp from both sides, walk together
# to the bay, and set down; how they do that pays as the climbing game does (chapter 10 draws the room). An
# **episode**, one try from the start, ends when the goods are down. After 20 steps it is cut: a **time limit**.
#
# Such a task is a **Dec-POMDP**, a decentralised, partially observable Markov decision process. In plain words:
#
# | | agent a, while playing | the learner, afterwards |
# |---|---|---|
# | state $s$ | no | yes: it goes into the mixer |
# | own observations $o_a$ and actions so far: the history $\tau_a$ | yes | yes |
# | observations and actions of the others | no | yes |
# | reward $r$: one number for the whole team | not needed | yes |
#
# So $Q_a(\tau_a, u_a)$, where $u_a$ is the action of agent a, may use an agent's own history only, and $Q_{tot}$ may
# use everything, because $Q_{tot}$ is not there any more when the team plays. The phrase for this is *centralised
# training, decentralised execution*.
# (In this small room an agent happens to see where everybody is. A marine does not: chapter 11.)
#
# Six episodes, played at random:

# %%
env = make_env("gridworld/deterministic", n_envs=6, seed=0)
learner = algorithms.qmix(env.spec, seed=0)
batch, _ = play(env, learner, 1.0, torch.Generator().manual_seed(10))
for name in ("obs", "state", "avail_actions", "actions", "reward", "terminated", "mask"):
    print(f"{name:14s} {tuple(getattr(batch, name).shape)}")

# %% [markdown]
# The axes are episode, time, then agent and feature or action. The last axis of reward, terminated and mask
# has length 1: one number for the whole team. There are 20 steps, and **21** observations: one
# before each step, and one after the last. Keep that in mind; half of the bugs below come from it.
#
# ## 2. The table is gone
#
# In a table, an update changes one cell. **Predict.** One gradient step on the *first* episode alone: which share of
# the utilities at the observations of the *other* episodes changes? Write a number between 0 and 1.

# %%
my_share = ...

# %%
first = torch.arange(6) == 0
others = batch.select(~first)
before, _ = learner.online["agent"](others.obs, others.last_actions)
learner.update(batch.select(first))
after, _ = learner.online["agent"](others.obs, others.last_actions)
share = (before != after).float().mean().item()
print(f"changed: {share:.1%}, by {(after - before).abs().mean().item():.4f} on average")
reveal(my_share, round(share, 2), "All utilities come from the same weights.")

# %% [markdown]
# That is what a network is for: what it learns here it also says elsewhere. It is also the trouble. Two ideas of
# DQN, the *deep Q-network* that learnt to play Atari games, answer it, and one that followed soon:
#
# - **Replay.** Consecutive steps look alike; learning from them alone would pull all other values along. So episodes
#   are kept, and each gradient step sees a batch of old and new ones, at random. The data then come from older
#   policies too: chapter 05's question, *fitted to which data?*, has an answer that moves.
# - **A target network.** The target $y = r + \gamma V(s')$, with $V(s')$ the highest value in the next state $s'$
#   (chapter 07), is made of the values that the step is about to change. So a copy of the network, renewed now and
#   then, makes the targets.
# - **Double Q.** A maximum over noisy values is too large.
#
# **Predict.** Five actions, each worth exactly 0. A network says 0 plus noise of standard deviation 1, for each
# action. What does the *largest* of the five say, on average?

# %%
my_maximum = ...

# %%
rng = np.random.default_rng(0)
one_network, another = rng.normal(size=(2, 100_000, 5))
largest = one_network.max(axis=1).mean()
judged = take(another, one_network.argmax(axis=1)).mean()
print(f"the largest: {largest:.2f}   the same action, judged by another network: {judged:.2f}")
reveal(my_maximum, round(largest, 2), "The luckiest is chosen, and looks good. Another judge does not share its luck.")

# %% [markdown]
# Another *independent* judge, to be exact. The online network and its own older copy agree more than that, so double
# Q takes away a part of this error only.
#
# ## 3. One batch, drawn
#
# Episodes are of unequal length, and tensors are not. The short ones are filled up: **padding**. `mask` is 1 where a
# step really happened. Steps are cells, observations are dots, and numbers are rewards (none: 0).
#
# The target of step $t$ is $y_t = r_t + \gamma\,V(o_{t+1})$, where $V(o_{t+1})$ is the value of the dot on the
# step's *right*. Four of these values are drawn, on their way back into a step, as arrows A to D.

# %%
mask, terminated = batch.mask[..., 0].numpy(), batch.terminated[..., 0].numpy()
length = mask.sum(axis=1).astype(int)
cut = int(np.flatnonzero(terminated.sum(axis=1) == 0)[0])
asked = {"A": (0, 4), "B": (0, length[0] - 1), "C": (cut, length[cut] - 1), "D": (3, 15)}
ax = plot_batch(mask, terminated, reward=batch.reward[..., 0].numpy(), arrows=asked.values())
for name, (episode, step) in asked.items():
    ax.text(step + 0.22, episode - 0.27, name, ha="center", va="center", weight="bold", fontsize=12)

# %% [markdown]
# **Predict.** Which arrow must not exist? Write its letter, such as `"A"`.

# %%
my_arrow = ...

# %%
reveal(my_arrow, "B", "The task is over: nothing follows, and 0 is not a guess but the truth.")

# %% [markdown]
# **Explain.** A is an ordinary step. B ends the task: $y = r$. C is cut by the time limit, and that is a different
# thing: the goods are still on the floor, the team could have gone on, and the value of where it stands is as good as
# at any other moment. So C *must* exist. D is nonsense, but harmless: the loss will not read this target, if its mask
# is right.
#
# "Done" means two things, then. **Terminated**: the task ended. **Truncated**: we stopped watching. Only
# the first stops the arrow:
#
# $$y_t = r_t + \gamma\,(1 - \text{terminated}_t)\,V(o_{t+1}).$$
#
# All targets of the batch:

# %%
steps_that_look = [(int(i), int(t)) for i, t in np.argwhere(mask * (1 - terminated))]
_ = plot_batch(mask, terminated, reward=batch.reward[..., 0].numpy(), arrows=steps_that_look)

# %% [markdown]
# **Exercise 1.** Write `td_target`. `reward`, `terminated` and `truncated` have shape [b, t], the flags are 0 or 1;
# `values` has shape **[b, t + 1]**: the value of every observation. What you write into the padding does not matter.


# %% tags=["exercise"]
def td_target(reward, terminated, truncated, values, gamma):
    """Return the one-step target of every step, an array [b, t]."""
    ### BEGIN SOLUTION
    return reward + gamma * (1 - terminated) * values[:, 1:]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_09 import check_td_target

check_td_target(td_target)

# %% [markdown]
# How much harm does the other flag do? Take the simplest task that never ends: one state, 1 per step, γ = 0.99. Its
# value is 1 / (1 - γ) = 100. We watch it 20 steps at a time. Somebody stores `done`, which is 1 at the time limit,
# and takes it for a termination. Then one target in twenty is a bare 1.
#
# **Predict.** Which value is learned?

# %%
my_value = ...

# %%
reward, never, at_limit = np.ones((1, 20)), np.zeros((1, 20)), np.eye(20)[[19]]
learned = {}
for name, flag in (("terminated", never), ("done", at_limit)):
    value = 0.0
    for _ in range(3000):  # one state: its value goes to the mean of its targets
        value = chapter_09.td_target(reward, flag, at_limit, np.full((1, 21), value), 0.99).mean()
    learned[name] = value
    print(f"flag {name:10s}  value {value:6.2f}")
reveal(my_value, round(learned["done"], 2), "1 / (1 - 0.99 · 19/20): as if the task ended at random, every 20 steps.")

# %% [markdown]
# If the agents could see a clock, and the limit were *part of the task* ("as much as you can within 20 steps"), it
# would be a termination. It depends on what you want, so the environment has to say it. By default PyMARL (on SMAC),
# EPyMARL and JaxMARL (on SMAX) treat a time limit as terminal; this library bootstraps. When you compare numbers,
# know which you have.
#
# ## 4. Choose with one network, value with the other
#
# Not all actions are always available: one cannot walk through a wall, nor shoot a dead enemy. The greedy choice must
# leave these out. The usual way gives them the utility -inf.
#
# For a monotone mixer the team's greedy joint action is everybody's own (chapter 04), so each agent chooses for
# itself, with the **online** network; the **target** network says what the choice is worth.
#
# **Exercise 2.** Write `double_q_value`. `online`, `target` and `avail` have shape [..., n, a]; return
# [..., n]. And think of a padded step: there `avail` may be False for *every* action; return any finite number.


# %% tags=["exercise"]
def double_q_value(online, target, avail):
    """Return the target network's utility of each agent's best available action by the online network."""
    ### BEGIN SOLUTION
    chosen = np.where(avail, online, -np.inf).argmax(axis=-1)
    return np.take_along_axis(target, chosen[..., None], axis=-1)[..., 0]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_09 import check_double_q_value

check_double_q_value(double_q_value)

# %% [markdown]
# ## 5. The loss
#
# **Exercise 3.** Write `masked_loss`: the mean squared error over the steps that really happened. All three have
# shape [b, t].


# %% tags=["exercise"]
def masked_loss(targets, values, mask):
    """Return the mean of (targets - values)² over the real steps, one number."""
    ### BEGIN SOLUTION
    return (mask * (targets - values) ** 2).sum() / mask.sum()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_09 import check_masked_loss

check_masked_loss(masked_loss)

# %% [markdown]
# The library does the same in torch: `td_lambda_targets` with λ = 0, then `masked_td_loss`. (With λ > 0 the target
# looks several steps ahead, a mixture of all lengths; the flags mean the same.) Side by side on our batch, with
# made-up values:

# %%
values = torch.randn(6, 21, 1, generator=torch.Generator().manual_seed(0))
ours = chapter_09.td_target(
    batch.reward[..., 0].numpy(), terminated, mask * 0, values[..., 0].numpy(), gamma=0.9
)  # truncated is not read
library = td_lambda_targets(batch.reward, batch.terminated, batch.mask, values[:, 1:], gamma=0.9, td_lambda=0.0)
print("largest difference on real steps:", np.abs((ours - library[..., 0].numpy()) * mask).max())

# %% [markdown]
# **Predict.** Somebody also set the unavailable actions of the *target* utilities to -inf, and in the padding nothing
# is available. "It is only the padding, and the loss is masked." What is the loss? Write a number or a word.

# %%
my_loss = ...

# %%
leaked = torch.where(batch.mask > 0, library, -torch.inf)
loss = masked_td_loss(values[:, :-1], leaked, batch.mask)
print("0 times infinity:", 0 * np.inf, "  the loss:", loss.item())
spoiled = algorithms.qmix(env.spec, seed=0)
spoiled.update(replace(batch, reward=torch.where(batch.mask > 0, batch.reward, -torch.inf)))
weights = torch.cat([w.flatten() for w in spoiled.online.parameters()])
print(f"a learner after one gradient step on such a batch: {weights.isnan().float().mean():.0%} of its weights are nan")
reveal(my_loss, str(loss.item()), "And with the loss the gradient, and with the gradient the network.")

# %% [markdown]
# A mask multiplies; it does not delete. With a large number in the place of infinity, -9999999, this very loss
# would come out right, and the leak would wait for the day on which somebody takes a mean or a running average of the
# values. Keep the sentinel inside the max.
#
# ## 6. Find the five bugs
#
# A wrong loss runs. It even learns, a little worse. Looking at the curve does not tell; *changing what must not
# matter* does. First, then: what must not matter?
#
# **Exercise 4.** Write `unread`: which observations, of the t + 1 of each episode, does a right loss never look at?
# `mask` and `terminated` have shape [b, t]; return booleans [b, t + 1]. (The dots in the picture: a dot is read if
# somebody acts at it in a real step, or if an arrow starts from it.)


# %% tags=["exercise"]
def unread(mask, terminated):
    """Return True for each observation that neither a value nor a target of a real step needs."""
    ### BEGIN SOLUTION
    acts = np.pad(mask, ((0, 0), (0, 1)))
    bootstraps = np.pad(mask * (1 - terminated), ((0, 0), (1, 0)))
    return acts + bootstraps == 0
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_09 import check_unread

check_unread(unread)

# %% [markdown]
# Now the suspect. It computes the loss of a small batch in numpy. `greedy` is the right masked choice, `take` reads
# utilities at actions, and `mix` is a small monotone mixer, $Q_{tot} = \sum_a |s_a|\,Q_a$; these three are innocent.
# The rest holds **five bugs**, each easily made.


# %% tags=["lesson"]
def suspect_loss(batch, gamma):
    """Return the double-Q loss of a batch; five bugs."""
    utilities = np.where(batch.avail, batch.target, -np.inf)
    chosen = greedy(batch.online, batch.avail)
    values = mix(take(utilities, chosen)[:, 1:], batch.state[:, :-1])
    done = batch.terminated + batch.truncated
    over = np.pad(done[:, :-1], ((0, 0), (1, 0)))
    targets = batch.reward + gamma * (1 - over) * values
    now = mix(take(batch.online[:, :-1], batch.actions), batch.state[:, :-1])
    return (batch.mask * (targets - now) ** 2).mean()


small = small_batch(0)
for name, array in vars(small).items():
    print(f"{name:10s} {array.shape}")
with np.errstate(invalid="ignore"):
    print("loss:", suspect_loss(small, 0.9))
_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
_ = plot_batch(small.mask, small.terminated, ax=ax)

# %% [markdown]
# **Exercise 5.** Write `repaired_loss`: copy the suspect and mend it. The check runs seven tests. One asks for a
# finite number; four change what must not matter; two change what must. It names one bug at a time. Try to find the
# bugs before it tells you.


# %% tags=["exercise"]
def repaired_loss(batch, gamma):
    """Return the double-Q loss of a batch."""
    ### BEGIN SOLUTION
    chosen = greedy(batch.online, batch.avail)
    values = mix(take(batch.target, chosen)[:, 1:], batch.state[:, 1:])
    targets = batch.reward + gamma * (1 - batch.terminated) * values
    now = mix(take(batch.online[:, :-1], batch.actions), batch.state[:, :-1])
    return (batch.mask * (targets - now) ** 2).sum() / batch.mask.sum()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_09 import check_repaired_loss

check_repaired_loss(repaired_loss)

# %% [markdown]
# Which test sees which bug? Here each bug is alone in a loss that is right otherwise.

# %%
for bug in (None, *chapter_09.BUGS):
    loss = chapter_09.loss_with(bug)
    print(f"{bug or 'no bug':32s} loss {loss(small, 0.9):6.3f}", *failures(loss), sep="\n    fails: ")

# %% [markdown]
# **Explain.** Three things to notice.
#
# - Four of the five losses are ordinary numbers, three of them *smaller* than the right one. Nothing looks wrong.
# - In a padded batch a flag off by one never acts: it falls on the padding. Every last step bootstraps, also where
#   the task has ended.
# - Two of the four pass every test of the kind "this must not matter": they read too *little*. You need tests of the
#   other kind as well: this *must* matter.
#
# Such things are found in good code. In JaxMARL's `qmix_rnn.py` the stored `dones` is the flag *before* the step,
# while the target multiplies by `1 - dones[:-1]`: our first bug. (Its episodes follow one another without padding, so
# the last step of one bootstraps from the first observation of the next.) EPyMARL standardises its rewards with the
# padding included, a relative of the fourth. The fifth is a default in three libraries (section 3), where it may be
# what was wanted. Masks whose sentinel leaked into values have been shipped too. The people who wrote these are not
# careless. Reading does not find such bugs reliably; tests of this kind do.
#
# And the library's own learner? Test it the same way, on the batch that we played.

# %%
dots = torch.from_numpy(chapter_09.unread(mask, terminated))
after_limit = torch.zeros(6, 21, dtype=torch.bool)
after_limit[torch.arange(6), batch.lengths] = batch.terminated.sum(dim=(1, 2)) == 0


def loss_with_noise(where):
    """The learner's loss after the observations and states at these dots were overwritten."""
    noise = torch.Generator().manual_seed(1)
    obs, state = (x + torch.randn(x.shape, generator=noise) for x in (batch.obs, batch.state))
    obs = torch.where(where[..., None, None], obs, batch.obs)
    state = torch.where(where[..., None], state, batch.state)
    return learner.loss(replace(batch, obs=obs, state=state))[0].item()


print("as it was:                        ", loss_with_noise(dots & ~dots))
print("other numbers at all unread dots: ", loss_with_noise(dots))
print("other numbers after a time limit: ", loss_with_noise(after_limit))

# %% [markdown]
# The second line is the first, and the third is not: as it should be.
#
# **Open question.** Seven tests are seven tests. Write a sixth bug: a loss that passes them all (`failures(yours)` is
# empty) and is wrong (`yours(small, 0.9)` is not `chapter_09.loss_with(None)(small, 0.9)`). There are several. Then
# write the eighth test, which catches it and lets the right loss pass.
#
# ## Two things people believe
#
# - *"Done is done."* An end of the task has no value after it; an end of our watching has. In the task that never
#   ends, the difference was 100 against less than 17.
# - *"Masking the loss is enough."* A mask cannot mend the target of a *real* step (a wrong flag, a wrong state), nor
#   delete an infinity, nor divide by the right number.
#
# ## What to remember
#
# - A network has no cells: each gradient step moves all values. Replay, a target network and double Q are there for
#   that.
# - T steps, T + 1 observations. The target of a step looks at the observation after it, with the next state, through
#   the target mixer.
# - Only a termination stops the look. A time limit does not.
# - -inf inside the max only. Divide by the number of real steps.
# - Test a loss by changing what must not matter, *and* what must.
#
# **The next question.** One learner's target moves because its own network does. With independent learners the
# partners move as well. Can a network be optimistic about them? → [10 Deep independent
# learners](10_deep_independent_learners.ipynb)
#
# ## Sources
#
# **Read on:** Pardo et al. In which of their two settings is the time that is left a part of the observation?
#
# - Mnih et al., *Human-level control through deep reinforcement learning*, Nature 518, 2015: DQN, its replay and
#   target network.
# - van Hasselt, Guez and Silver, *Deep reinforcement learning with double Q-learning*, AAAI 2016
#   ([arXiv 1509.06461](https://arxiv.org/abs/1509.06461)).
# - Oliehoek and Amato, *A Concise Introduction to Decentralized POMDPs*, Springer 2016.
# - Pardo et al., *Time limits in reinforcement learning*, ICML 2018
#   ([arXiv 1712.00378](https://arxiv.org/abs/1712.00378)).
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)), equation 6: the loss.
# - The code of PyMARL, EPyMARL and JaxMARL, read by us; it may have changed since. All numbers are computed above.
