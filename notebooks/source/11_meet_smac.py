# %% [markdown]
# # 11 · Meet SMAC
#
# **Question.** What does a marine see?
#
# The networks of chapter 10 played in a room of ten cells, where two agents see all that there is. Nothing of that
# tells us how to play where an agent sees only what is near, may not do everything, and can die.
#
# You will be able to
# - read an observation, a state and a mask of available actions;
# - write a policy by hand, and measure its win rate with an interval;
# - look at your inputs before you train on them, and mend one that drifts;
# - say what a battle in our simulator shares with one in StarCraft II, and what not.
#
# **Time needed:** 45 minutes; nothing is trained for more than half a minute. Four exercises. Before it: chapters 06
# (the mixer) and 09 (Dec-POMDP, masks, time limits).

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from torch.nn.functional import mse_loss

import qmix_edu
from qmix_edu import doctor, evaluate, wilson_interval
from qmix_edu.battle_plots import battle_player, plot_sight
from qmix_edu.battles import record_battles
from qmix_edu.exercises import chapter_11, reveal, steps
from qmix_edu.mixers import QMixer
from qmix_edu.plots import plot_win_rates
from qmix_edu.rollout import play
from qmix_edu.scripted import ScriptedTeam

_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. Through the eyes of one marine
#
# The StarCraft Multi-Agent Challenge (SMAC) takes small battles out of the game StarCraft II and makes every unit of
# one side an agent of its own. A program plays the other side. Here we use **SMAX**, a simulator of such battles that
# needs no game. On its map `3m` three marines meet three marines; 32 battles run side by side. The first time, the next
# cell compiles the simulator, which takes some ten seconds.

# %%
env = qmix_edu.make_env("smax/3m", n_envs=32, seed=0)
start = env.rng_state()  # to begin from the same places again
env.spec

# %% [markdown]
# We let a team play that walks east and shoots whoever it can; its rule is the subject of section 3. `record_battles`
# keeps what the *simulator* knows. `play` returns what the *agents* saw, an `EpisodeBatch` as in chapter 09. Both play
# the same battles if they begin from the same randomness.

# %%
team = ScriptedTeam(env.spec, lambda obs: chapter_11.focus_fire(chapter_11.enemy_health(obs)))
battles = record_battles(env, team)
env.set_rng_state(start)
batch, won = play(env, team, None, torch.Generator())
print("observations", tuple(batch.obs.shape), "[battle, time, agent, number]")
print("states      ", tuple(batch.state.shape), "[battle, time, number]")
print("masks       ", tuple(batch.avail_actions.shape), "[battle, time, agent, action]")
print("actions     ", tuple(batch.actions.shape), "[battle, time, agent]: one moment fewer")


# %%
def show(battle, step, marine):
    obs, mask = batch.obs[battle, step, marine], batch.avail_actions[battle, step, marine]
    return plot_sight(battles[battle], step, marine, obs.numpy(), mask.numpy())


_ = show(battle=0, step=4, marine=1)

# %% [markdown]
# **Picture.** Marine 2 (circle m2; squares are enemies, lines are shots, bars are health) in the midst of a battle. It
# *sees* within the solid circle, nine lengths, and *shoots* within the dashed one, five; the map is 32 wide. On the
# right is all that it is given, 75 numbers: thirteen for every other unit and ten for itself. Other units' x and y
# are counted from the marine itself, in units of its sight. "order" tells whom a unit was last ordered to shoot, as a
# share of the greatest action number. The darker a cell the further from 0.
#
# Below stands the **mask**. Moves are always open to the living, shots only at an enemy in range. The dead may only
# stop.

# %%
_ = show(battle=0, step=0, marine=1)

# %%
_ = show(battle=0, step=8, marine=1)

# %% [markdown]
# The first moment of the battle, and a later one. A hatched row means two things: *not in sight* or *dead*, and the
# marine cannot tell which. That is the partial observability of a Dec-POMDP (chapter 09). Trained teams are
# sometimes given a memory for this reason.
#
# The **state** is another view: 72 numbers about all six units, in sight or not. Ten for each come first: health, x, y,
# cooldown, and six that say what type it is; then six teams and six types once more. Only the mixer gets it, and only
# in training.
#
# **Exercise 1.** Write `seen_out_of_range`: the *set* of enemies (0, 1, 2) that a marine sees and cannot shoot. `obs`
# holds its 75 numbers: two allies, three enemies, thirteen each, the health first (above 0 if the unit is in sight);
# then itself. `mask` holds eight truth values: five moves, three shots.


# %% tags=["exercise"]
def seen_out_of_range(obs, mask):
    """Return the set of enemies that are in sight and out of range."""
    ### BEGIN SOLUTION
    return {j for j in range(3) if obs[26 + 13 * j] > 0 and not mask[5 + j]}
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_11 import check_seen_out_of_range

check_seen_out_of_range(seen_out_of_range)

# %% [markdown]
# Stuck? Run `check_seen_out_of_range.hint(1)` in a cell of its own; there are four hints, the last one is the solution.

# %% [markdown]
# ## 2. What a battle pays, and how it ends
#
# A step is half a second. The reward is the *team's*: the share of health that the enemies lost in this step, plus 1
# for a win. So a return of 2 is the most, and only a win pays more than 1. A marine that died earlier is still paid.

# %%
returns = batch.returns
print(f"won:  returns from {returns[won].min():.2f} to {returns[won].max():.2f}")
print(f"else: returns from {returns[~won].min():.2f} to {returns[~won].max():.2f}")
print(f"steps: {batch.lengths.min()} to {batch.lengths.max()}, and the limit is {env.spec.episode_limit}")

# %% [markdown]
# A battle ends in one of two ways. When one side is dead it is **terminated**: nothing follows, the value of what
# follows is 0. After 100 steps it is **truncated**: the clock cuts it, and what would have followed is still worth
# something, so that the TD target bootstraps (chapter 09). Have we
# seen the second kind? Three times 32 battles: with our team; with one that only stands where it is; and with that one
# against enemies that never shoot (an option of the simulator, in the environment's name).


# %%
def stand(obs):
    """Stop, whatever is seen."""
    return np.eye(8)[4] * np.ones((*obs.shape[:-1], 1))


def endings(env, team):
    batch, _ = play(env, team, None, torch.Generator())
    terminated = batch.terminated.any(dim=1).sum().item()
    return f"{terminated} of {len(batch)} terminated, the others truncated; at most {batch.lengths.max()} steps"


calm = qmix_edu.make_env("smax/3m:enemy_shoots=false", n_envs=32, seed=0)
print("ours:                         ", endings(env, team))
print("standing:                     ", endings(env, ScriptedTeam(env.spec, stand)))
print("standing, enemies do not shoot:", endings(calm, ScriptedTeam(calm.spec, stand)))


# %% [markdown]
# Enemies seek the fight, so that on `3m` the clock hardly ever decides. A mistake with the flag would not show here;
# it shows in games that often end by the clock.

# %% [markdown]
# ## 3. A policy by hand
#
# A trained agent is a function from its observation to utilities; then comes the mask, and the best available action
# is taken. Nobody says that a network must write the utilities. `ScriptedTeam(env.spec, rule)` plays any rule from
# observations to utilities, each marine on its own.
#
# **Exercise 2.** Focus fire: a dead enemy does not shoot back, so shoot the one with the least health first. Write
# `weakest_first` for *one* marine: from the `health` of the three enemies (0 where it sees none) to eight utilities.
# With the mask they must have it shoot the weakest enemy in range, and walk east (action 1) where it can shoot
# nobody.


# %% tags=["exercise"]
def weakest_first(health):
    """Return the utilities of north, east, south, west, stop, and of the shots at enemies 0, 1 and 2."""
    ### BEGIN SOLUTION
    return np.array([0, 1, 0, 0, 0, *(3 - health)])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_11 import check_weakest_first

check_weakest_first(weakest_first)

# %% [markdown]
# **Predict.** The team of section 1 follows this rule. Which share of its battles does it win? Write a number between 0
# and 1.

# %%
my_rate = ...

# %% [markdown]
# **Run.** First 32 battles, as many as PyMARL, the first code for QMIX on SMAC, evaluates with, then 512.

# %%
FEW, MANY = 32, steps(512, fast=64)
won_of = {n: round(n * evaluate(env, team, n)["win_rate"]) for n in (FEW, MANY)}
for n, wins in won_of.items():
    low, high = wilson_interval(wins, n)
    print(f"{wins:3} of {n:3}: {wins / n:.2f}, 95 % interval {low:.2f} to {high:.2f}")
reveal(my_rate, round(won_of[MANY] / MANY, 2), "Does the interval of the 32 battles hold it?")

# %% [markdown]
# **Explain.** A win rate from n battles has the standard error $\sqrt{p(1-p)/n}$, up to 8.8 percentage points for n =
# 32 and 2.2 for 512. The interval is Wilson's; chapter 12 derives it. So is it the *focus* that wins? Four other
# rules, each with one thing changed: shoot the closest; shoot anyone; everyone its own number; the strongest first.
# And the same focus with one more change: *stand and wait* instead of walking east.
#
# **Predict.** Which of them comes second, behind `weakest`: `"closest"`, `"anyone"`, `"own"`, `"strongest"` or
# `"wait"`? Or is one of them better?

# %%
my_second = ...


# %%
def walk_or_shoot(score, move=1):
    """Return a rule: shoot by the highest score, from 0 to 1; where nobody is in range make this move."""

    def rule(obs):
        enemies = obs[..., 26:65].reshape(*obs.shape[:-1], 3, 13)
        utilities = np.eye(8)[move] * np.ones((*obs.shape[:-1], 1))
        utilities[..., 5:] = 2 + score(enemies)
        return utilities

    return rule


rng = np.random.default_rng(0)
rules = {
    "weakest": walk_or_shoot(lambda e: 1 - e[..., 0]),
    "closest": walk_or_shoot(lambda e: -np.hypot(e[..., 1], e[..., 2])),
    "anyone": walk_or_shoot(lambda e: rng.random(e.shape[:-1])),
    "own": walk_or_shoot(lambda e: np.eye(3)),  # marine i shoots enemy i
    "strongest": walk_or_shoot(lambda e: e[..., 0]),
    "wait": walk_or_shoot(lambda e: 1 - e[..., 0], move=4),
}

# %%
wins = {k: round(MANY * evaluate(env, ScriptedTeam(env.spec, r), MANY)["win_rate"]) for k, r in rules.items()}
ends = [wilson_interval(w, MANY) for w in wins.values()]
_, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
plot_win_rates(list(wins), [w / MANY for w in wins.values()], *zip(*ends, strict=True), ax=ax)
order = sorted(wins, key=wins.get, reverse=True)
reveal(my_second, order[1], "All of them, the best first: " + ", ".join(order) + ".")

# %% [markdown]
# *Caption.* Share of battles won under each rule, with its 95 % interval.
#
# **Explain.** Where two intervals lie apart, the difference is hardly luck. Among the rules that walk, one that makes
# the three agree on a target without talking does well. `closest` is such a rule too, as long as they stand together.
# When everyone shoots its own number nobody agrees, and `strongest` spreads the damage as evenly as it can, so that
# all enemies shoot to the end. And `wait` has the same rule for shooting: what may be wrong with it? Watch one:

# %%
waiting = record_battles(env, ScriptedTeam(env.spec, rules["wait"]))
print(Counter(battle.outcome for battle in waiting))
HTML(battle_player(waiting[0]))

# %% [markdown]
# A marine that stands still does not come to the help of a comrade whose enemy is just out of its range. Those in
# front fight alone.
#
# Did you write exercise 2? Then let your own rule play:
#
#     mine = lambda obs: np.apply_along_axis(weakest_first, -1, chapter_11.enemy_health(obs))
#     evaluate(env, ScriptedTeam(env.spec, mine), 512)
#
# **Open question.** Write a better rule than the best one above. A marine knows more than `score` was told: where its
# comrades are, how far off each enemy is, how much health it has left itself. It counts as better when its interval
# (`wilson_interval`, 512 battles) lies above the other's. Note every rule that you tried, also those that failed: of
# twenty rules that are all alike, one looks better by luck.

# %% [markdown]
# ## 4. Look at your inputs
#
# Before anything learns: what *are* these numbers? `env.raw_state` is the state as the simulator gives it. We record it
# along battles in which everybody acts at random, and look at the extremes of every feature of a unit.

# %%
raw_states = []
batch, _ = play(env, team, 1.0, torch.Generator().manual_seed(0), watch=lambda *_: raw_states.append(env.raw_state))
raw = torch.stack(raw_states, dim=1)  # [battle, time, 72]
real = batch.mask[..., 0] > 0  # [battle, time]: not padding
features = ["health", "x", "y", "cooldown", "marine"]
for i, name in enumerate(features):
    values = raw[real][:, i:60:10]  # this feature of all six units
    print(f"{name:8} from {values.min():6.2f} to {values.max():6.2f}")

# %% [markdown]
# One of them is strange. A weapon that has fired is ready again after 0.61 seconds: its cooldown counts down to 0. Does
# it stop there?
#
# **Exercise 3.** Write `drifting_features`: the *set* of the columns of `states` `[time, feature]` that fall below -1
# at some time.


# %% tags=["exercise"]
def drifting_features(states):
    """Return the set of the features that fall below -1."""
    ### BEGIN SOLUTION
    return {int(j) for j in np.flatnonzero(states.min(axis=0) < -1)}
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_11 import check_drifting_features

check_drifting_features(drifting_features)

# %%
longest = int(batch.lengths.argmax())
film = raw[longest, : batch.lengths[longest]].numpy()
found = sorted(chapter_11.drifting(film))
print("columns:", found, "; of their unit they are number", {j % 10 for j in found})

# %% [markdown]
# Number 3 is the cooldown. Its course, raw and as our environment hands it on:

# %%
cooldowns = film[:, 3:60:10]
unit = int(np.where(cooldowns.max(axis=0) > 0, cooldowns.min(axis=0), 0).argmin())  # of those that shot, the worst
column, seconds = 3 + 10 * unit, np.arange(len(film)) / 2
_, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
axes[0].plot(seconds, film[:, column], "k-")
axes[0].set(title="raw", xlabel="battle time (s)", ylabel="cooldown (s)")
axes[1].plot(seconds, batch.state[longest, : len(film), column], "k-")
axes[1].set(title="scaled and clipped", xlabel="battle time (s)", ylabel="cooldown / 2 s", ylim=(-0.05, 1.05))
print(f"least cooldown, raw state: {raw[real][:, 3:60:10].min():.1f} s")
print(f"least cooldown, own observations: {batch.obs[..., 68].min():.1f}")

# %% [markdown]
# *Caption.* The cooldown of one unit through the longest of the battles. A unit that does not shoot loses half a
# second of "cooldown" each step, without end: the number has become a clock. It jumps up when the unit shoots, and to
# 0 when it dies. (In the observations SMAX cuts it at 0 itself, as the printed line says; in the state it does not.)
#
# ### What it does to a hypernetwork
#
# The mixer reads this state. Its hypernetworks turn it into the weights W1 and W2, and
# $Q_{tot} = W_2\,\mathrm{ELU}(W_1 q + b_1) + V$.
#
# **Predict.** The same moment of the same battle, all utilities 0.5. We change *nothing but the cooldowns*, of all six
# units, from -10 to -20 seconds. By which factor does an untrained mixer's $|Q_{tot}|$ grow, on average?

# %%
my_factor = ...

# %%
moment, mixers = batch.state[0, 0], []
for seed in range(20):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mixers.append(QMixer(n_agents=3, state_size=72))


@torch.no_grad()
def with_cooldown(seconds):
    """Return the means of |W1|, |W2| and |Q_tot| over the mixers."""
    state = moment.clone()
    state[3:60:10] = seconds / 2  # scaled, not clipped
    weights = [mixer.raw_parameters(state) for mixer in mixers]
    q_tot = torch.stack([mixer(torch.full((3,), 0.5), state) for mixer in mixers])
    w1, w2 = (torch.stack([w[name] for w in weights]).abs().mean().item() for name in ("w1", "w2"))
    return w1, w2, q_tot.abs().mean().item()


# %%
print("cooldown   |W1|   |W2|   |Q_tot|")
for c in (0, -2.5, -5, -10, -20):
    print(f"{c:6} s   " + "   ".join(f"{v:.2f}" for v in with_cooldown(c)))
factor = with_cooldown(-20)[2] / with_cooldown(-10)[2]
reveal(my_factor, round(factor, 1), "Both weights follow the clock, and Q_tot holds their product.")

# %% [markdown]
# **Explain.** The weights grow about in proportion to the drift, and $Q_{tot}$ with the *product* of two of them: twice
# the drift, about four times the value. Every gradient carries the same factors. So what a mixer says, and how large a
# step it takes, depends first of all on how long somebody has not shot.
#
# Does it learn nevertheless? A small supervised task: predict the return that is still to come from the state, with the
# utilities held at 0.5. Same data, same initial mixers, same optimiser; the second input differs from the third only
# in that its cooldowns are not clipped. We train on the 24 battles that drift the least and test on the 8 that drift
# the furthest: whoever leans on the clock has to extrapolate. Errors are in shares of the variance of what is to be
# predicted; 1 is what guessing the mean of the test battles would give.

# %%
still_to_come = batch.reward[..., 0].flip(1).cumsum(1).flip(1)
unclipped = batch.state[:, :-1].clone()
unclipped[..., 3:60:10] = raw[..., 3:60:10] / 2
inputs = {"raw": raw, "scaled": unclipped, "scaled, clipped": batch.state[:, :-1]}
drift = raw[..., 3:60:10].amin(dim=(1, 2))  # [battle]
held = real & (drift <= drift.sort().values[7])[:, None]
kept = real & ~held


def held_out_error(mixer, states, updates):
    optimiser = torch.optim.Adam(mixer.parameters(), lr=5e-4, eps=1e-5)
    for _ in range(updates):
        q_tot = mixer(torch.full((int(kept.sum()), 3), 0.5), states[kept])[:, 0]
        optimiser.zero_grad()
        mse_loss(q_tot, still_to_come[kept]).backward()
        optimiser.step()
    q_tot = mixer(torch.full((int(held.sum()), 3), 0.5), states[held])[:, 0]
    return mse_loss(q_tot, still_to_come[held]).item() / still_to_come[held].var().item()


# %%
UPDATES = steps(200, fast=20)
for name, states in inputs.items():
    errors = []
    for seed in range(3):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            errors.append(held_out_error(QMixer(3, 72), states, UPDATES))
    print(f"{name:16}", "  ".join(f"{e:8.2f}" for e in errors))

# %% [markdown]
# *One column for each initial mixer.* Compare the second line with the third, and note how the battles were divided:
# **on purpose** by their drift, after other divisions had often shown no difference. Where no test battle drifts
# further than the training did, there is nothing to extrapolate, and clipping changes little. Such battles come,
# though: a learner meets them as its own play changes. And even the clipped input may do worse here than guessing the
# mean: clipping limits the damage, it does not teach. (The first line has the places from 0 to 32 in it as well:
# scaling matters more than anything else here.)
#
# **Exercise 4.** Mend it: write `scale_and_clip`. `low` and `high` hold the ends of each feature's range, one number
# for every column of `states`. Bring low to 0 and high to 1, and cut what is outside.


# %% tags=["exercise"]
def scale_and_clip(states, low, high):
    """Return the states with every feature between 0 and 1."""
    ### BEGIN SOLUTION
    return np.clip((states - low) / (high - low), 0, 1)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_11 import check_scale_and_clip

check_scale_and_clip(scale_and_clip)

# %% [markdown]
# `qmix_edu/envs/smax.py` does this to every state: places by 32, cooldowns by 2 seconds. Clipping throws something
# away, here how *long* the weapon has been ready, which is good for nothing. Is it always so? No: look first, then
# cut.

# %% [markdown]
# ## 5. The real StarCraft II
#
# `qmix_edu.make_env("smac/3m")` plays in the game itself, behind the same contract: the same `EnvSpec`, observations,
# masks and flags, and the same `train`. What differs:
#
# | | SMAX (`smax/3m`) | StarCraft II (`smac/3m`) |
# |---|---|---|
# | what runs | arrays in JAX, on any machine | the game, one process for each battle |
# | observation, state of 3m | 75 and 72 numbers | 30 and 48 numbers |
# | actions of 3m | 8: four moves, stop, three shots | 9: one more, no-op |
# | the dead | may only stop | may only do no-op, which the living may not |
# | shields, armour, high ground | none | as in the game |
# | the enemy | a heuristic program | the game's own AI |
# | the greatest return | about 2 | 20 |
# | steps of a battle on 3m | at most 100 | at most 60 |
# | both sides die at once | not won | not won |
# | time limit | truncated | `terminated` in the package; our adapter makes it truncated |
#
# A win rate from the one says little about the other: say which you used, and with which version of the game.
#
# **How to get it.** Install SMAC's package from its repository (`pip install smac` gives *another* project,
# a hyper-parameter optimiser), the game (4.10 on Linux) and SMAC's maps. README's section "StarCraft II itself" has the
# commands. `qmix-edu doctor` says what is there and what to do next:

# %%
print(doctor.report(doctor.checks()))

# %% [markdown]
# `qmix-edu doctor --starcraft` plays a test battle in the game and checks the contract. None of this is needed for the
# course.

# %% [markdown]
# ## Two things people believe
#
# - *"All zeros means that nobody is there."* Or that somebody died, or that the marine itself did. Section 1.
# - *"A network will learn to ignore a useless input."* In time, perhaps; until then it multiplies everything else.
#   Section 4.
#
# ## What to remember
#
# - An observation is what *one* agent is given; the state is for the mixer, in training only; the mask says what may be
#   done now.
# - A policy is utilities, a mask and a maximum. A rule by hand is a good opponent for a learner: beat it first.
# - Agreeing on a target wins battles; nobody needs to talk for it.
# - Print the least and the greatest of every input before you train.
# - Terminated is not truncated.
#
# **The next question.** Do three networks find focus fire by themselves? → [12 IQL, VDN and QMIX on
# SMAC](12_qmix_on_smac.ipynb)
#
# ## Sources
#
# **Read on:** Samvelyan et al. Which of the differences in section 5's table would change a win rate most?
#
# - Samvelyan et al., *The StarCraft Multi-Agent Challenge*, 2019 ([arXiv 1902.04043](https://arxiv.org/abs/1902.04043));
#   the right-hand column is what our adapter to its package handles: [oxwhirl/smac](https://github.com/oxwhirl/smac).
# - Rutherford et al., *JaxMARL*, 2023 ([arXiv 2311.10090](https://arxiv.org/abs/2311.10090)): SMAX; its code,
#   from which the left-hand column is read: [FLAIROx/JaxMARL](https://github.com/FLAIROx/JaxMARL).
# - Pardo et al., *Time Limits in Reinforcement Learning*, 2018 ([arXiv 1712.00378](https://arxiv.org/abs/1712.00378)).
