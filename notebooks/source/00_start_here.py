# %% [markdown]
# # 00 · Start here
#
# **Question.** What will I be able to do, and does everything work here?
#
# A team gets one number; each member must act alone. How much of the team's value can be seen through its
# members? That is the one question of this course. You begin with payoff tables of nine cells and end with a
# team of marines, trained by you, that wins battles.
#
# Click into the cell below and press **Shift + Enter**. You watch a small network learn by QMIX, the method that this
# course leads to. The picture comes after a few seconds; the first time it may take half a minute, because Python must
# load its libraries.

# %%
from qmix_edu.exercises import reveal, steps
from qmix_edu.exercises.chapter_00 import watch_qmix_learn
from qmix_edu.widgets import LandscapeExplorer

shots = watch_qmix_learn(steps(full=1500, fast=20))
explorer = LandscapeExplorer(**next(shots), state_names=["2A", "2B"])
explorer.state = 1
display(explorer)
for shot in shots:
    explorer.replace(**shot)

# %% [markdown]
# **What you see.** Two agents have two actions each, a and b. Each agent carries one number for each action,
# its *utility*: agent 1's are measured along one axis, agent 2's along the other. So the four joint actions
# are four points on a plane. The surface above is what the network believes that the *team* earns, $Q_{tot}$.
#
# There are two payoff tables, 2A and 2B; which of them counts is the *state*. In 2B the team really earns 0 for
# (a, a), 1 for (a, b) and for (b, a), and 8 for (b, b). The white points come close to these numbers.
#
# Move the **state** slider to 2A, where every joint action pays 7: the same network, another surface. Then
# switch the **weights** of the network from |w|, positive numbers only, to signed: where the surface falls along an
# axis it is hatched, and there "everyone does what looks best to it" need not be best for the team. Why this matters is
# the subject of chapters 01 to 04; how the network prevents it, of chapter 06.
#
# Here is the same picture without a browser's help, for print and for the day when a widget does not show:

# %%
_ = explorer.figure()

# %% [markdown]
# ## What you will be able to do
#
# - predict, for a small game, what independent learners (IQL), VDN and QMIX will play, and say why;
# - tell what a method *cannot represent* from what it *does not learn*;
# - write the mixing network of QMIX, break it, and mend it;
# - train a team on battles, and report its win rate with an honest uncertainty.
#
# These three names stand for three ways to learn. **IQL**: each agent learns alone (chapter 02). **VDN**: the team's
# value is the sum of its members' values (chapter 03). **QMIX**: it is any mixing of them that never falls when a
# member's value rises (chapter 04).
#
# You need Python and numpy, and an idea of what a gradient is. Reinforcement learning is explained where it
# comes up.
#
# ## The chapters
#
# - [01 Cooperative matrix games](01_matrix_games.ipynb): two people, one payoff table, no talking: how should
#   each choose?
# - [02 Independent learners](02_independent_learners.ipynb): what if everyone just learns?
# - [03 Additive factorisation (VDN)](03_additive_factorisation.ipynb): can the team learn one table and
#   everyone still act alone?
# - [04 Monotonic factorisation, exactly](04_monotonic_factorisation.ipynb): what is the most general mixing
#   that keeps everybody's argmax right?
# - [05 Data matters; fit is not regret](05_data_matters.ipynb): why do two papers print different numbers for the
#   same cell?
# - [06 Inside the mixer](06_inside_the_mixer.ipynb): how does a network stay monotone, and what does it lose?
# - [07 The two-step game](07_two_step_game.ipynb): does it matter over time?
# - [08 Beyond monotonicity; sacrifice](08_beyond_monotonicity.ipynb): how do we climb the last rung, and what does
#   it cost?
# - [09 From DQN to many agents](09_from_dqn_to_many_agents.ipynb): what changes when the table is gone?
# - [10 Deep independent learners](10_deep_independent_learners.ipynb): can a network be optimistic?
# - [11 Meet SMAC](11_meet_smac.ipynb), the StarCraft Multi-Agent Challenge: what does a marine see?
# - [12 IQL, VDN and QMIX on SMAC](12_qmix_on_smac.ipynb): who wins battles, and how sure are we?
# - [13 Inside a trained QMIX](13_inside_a_trained_qmix.ipynb): what has the mixer learned?
# - [14 Ablations](14_ablations.ipynb): which part does the work?
# - [15 Central joint Q, and policy gradients](15_joint_q_and_policy_gradients.ipynb): why not one big table, or no
#   values at all?
# - [16 Capstone: bring your own environment](16_capstone.ipynb): does it work on *your* problem?
#
# Take them in this order.
#
# ## How a chapter works
#
# **Predict – run – explain.** Before a result is shown you are asked for it. Write your guess down *first*,
# even a wild one: a wrong guess that you remember teaches more than a right answer that you read. A
# prediction is a variable that holds `...` until you write yours in its place; the next cells show what happens and
# compare. So go from cell to cell with Shift + Enter: *Run All Cells* would show you every answer first.
#
# **Predict.** Look at the picture, state 2B. Each agent takes the action with its own highest utility. What
# does the team earn? Write a whole number.

# %%
my_prediction = ...

# %%
explorer.state, explorer.constraint = 1, "abs"
earned = round(explorer.result()["greedy_value"])
reveal(my_prediction, earned, "The star stands on the point that is furthest right and furthest up.")

# %% [markdown]
# **Exercises.** You write one function; the cell below it checks the function on many random inputs. The
# story does not depend on it: run on, and come back later if you like. As a warm-up, replace the line `raise
# NotImplementedError(...)` by your own.


# %% tags=["exercise"]
def team_reward(payoff, row, column):
    """Return what both agents receive when agent 1 plays this row and agent 2 this column."""
    ### BEGIN SOLUTION
    return payoff[row, column]
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_00 import check_team_reward

check_team_reward(team_reward)

# %% [markdown]
# A check says one of three things: **not started**; **wrong**, with the *name* of the mistake if it is one
# that others have made before you; or **correct**. Try a wrong answer on purpose, say `payoff[column, row]`.
#
# **Hints.** Each check has four, `hint(1)` to `hint(4)`, from a nudge to the place of the solution:

# %%
check_team_reward.hint(1)

# %% [markdown]
# The solutions of a whole chapter are in the folder `solutions`, unless your teacher keeps them.
#
# **How far am I?** Each check remembers its best result, in one small file on this machine that is sent to nobody. This
# table shows every exercise of the course; `progress.forget()` empties it.

# %%
from qmix_edu.exercises import progress

progress()

# %% [markdown]
# ## Does everything work here?
#
# The doctor looks at your installation and says what to do about what is missing. StarCraft II is *not*
# required: the battles of this course run in SMAX, which is installed already.

# %%
from qmix_edu import doctor

print(doctor.report(doctor.checks()))

# %% [markdown]
# **The next question.** Two people, one payoff table, no talking: how should each choose? → [01 Cooperative
# matrix games](01_matrix_games.ipynb)
