# %% [markdown]
# # 12 · IQL, VDN and QMIX on SMAC
#
# **Question.** Chapter 11's rule by hand, focus fire, wins battles. Do networks find it by themselves? Who wins
# battles, and how sure are we?
#
# You will be able to
# - train a team of marines and watch what it has learnt;
# - act greedily under a mask of available actions;
# - put an honest interval around a win rate, and say how many battles a comparison takes;
# - say what one trained team proves about an algorithm, and what it does not;
# - read a comparison over several seeds: quartile bands, and how often fewer seeds would have given the other order.
#
# **Time needed:** 70 minutes; four to seven of them the machine trains while you read. Five exercises. Before it:
# [03 Additive factorisation (VDN)](03_additive_factorisation.ipynb), [06 Inside the mixer](06_inside_the_mixer.ipynb)
# (QMIX), [11 Meet SMAC](11_meet_smac.ipynb).

# %%
from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

import qmix_edu
from qmix_edu import algorithms, evaluate, pretrained, wilson_interval
from qmix_edu.battle_plots import battle_player, plot_filmstrip, plot_win_curves
from qmix_edu.battles import record_battles
from qmix_edu.exercises import chapter_12, reveal, steps
from qmix_edu.plots import plot_learning_curves, plot_win_rates
from qmix_edu.settings import train_settings
from qmix_edu.sweep import interquartile_mean

# Networks as small as ours spend more time on sharing work between threads than on the work itself.
_ = torch.set_num_threads(1)

# %% [markdown]
# ## 1. Three against three
#
# The StarCraft Multi-Agent Challenge (SMAC) is a collection of small battles. Every unit of one side is an agent
# of its own; the other side is played by a fixed program. We use **SMAX**, which simulates such battles without
# the game StarCraft II. On the map `3m` three marines meet three marines. The enemies walk towards our side,
# shoot at the closest marine in range, and stay with it until it is dead.
#
# A step is half a second. The *team's* reward is the share of health that it took from the enemies in this
# step, plus 1 for winning, so that a return of 2 is the most. A battle is won when all enemies are dead and one
# of ours is alive.
#
# The next cell sets up 32 battles that run side by side. The first time it compiles the simulator, which takes some
# ten seconds.

# %%
env = qmix_edu.make_env("smax/3m", n_envs=32, seed=0)
start = env.rng_state()  # to begin from the same places again, later
env.spec

# %% [markdown]
# **Picture.** This is a team that acts at random. Circles are ours, squares the enemy's; the bar above a marine
# is its health, a line goes from whoever shoots to the target, and a cross stays where somebody died.

# %%
untrained = algorithms.qmix(env.spec, seed=0)
random_battles = record_battles(env, untrained, epsilon=1.0)
_ = plot_filmstrip(random_battles[0])

# %%
HTML(battle_player(random_battles[0]))

# %% [markdown]
# Ours stroll about, and the enemies finish them one after the other. Do all 32 battles end so?

# %%
Counter(battle.outcome for battle in random_battles)

# %% [markdown]
# ## 2. What a marine may do
#
# [Chapter 11](11_meet_smac.ipynb) read what an agent sees: 75 numbers, and a **mask** of its eight actions, because it
# can shoot only at an enemy in range, and a dead marine can do nothing but stop:

# %%
actions = ["north", "east", "south", "west", "stop", "shoot 1", "shoot 2", "shoot 3"]
seen = env.reset()
mask = seen.avail_actions[0].numpy()  # [agent, action] of the first battle
print("observation", tuple(seen.obs[0].shape), " state", tuple(seen.state[0].shape))
print("marine 1 may:", [actions[a] for a in np.flatnonzero(mask[0])])

# %% [markdown]
# Nobody can shoot yet: the sides stand too far apart. An unavailable action is *refused* by the environment. And
# nobody ever learns its utility, which is a leftover of how the network was initialised: it may well be the
# highest of all.
#
# **Exercise 1.** Write `masked_greedy`: for every agent the number of its best *available* action. `utilities` is
# an array `[agent, action]`, `avail_actions` a mask of the same shape.


# %% tags=["exercise"]
def masked_greedy(utilities, avail_actions):
    """Return the best available action of every agent."""
    ### BEGIN SOLUTION
    return np.where(avail_actions, utilities, -np.inf).argmax(axis=1)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_12 import check_masked_greedy

check_masked_greedy(masked_greedy)

# %% [markdown]
# Stuck? Run `check_masked_greedy.hint(1)` in a cell of its own; there are four hints, the last one is the solution.
#
# The library does the same in two places: when an agent acts, and inside the maximum of the TD target. Minus infinity
# stands inside that maximum only; the values themselves are read from the unmasked utilities, so it can leak nowhere.

# %% [markdown]
# ## 3. Train QMIX
#
# All three methods share everything except the factorisation: the same small network for each marine, the same
# exploration (ε falls from 1 to 0.05 over 100,000 steps), the same replay, the same optimiser. IQL has three separate
# values, VDN a sum, QMIX the monotone mixer that sees the state.
#
# **Predict.** Order them by their win rate on 3m after equally many steps, the best first: write a list such as
# `["IQL", "VDN", "QMIX"]`.

# %%
my_order = ...

# %% [markdown]
# **Run.** Training takes about a minute, and the curve grows while it runs. Every 25,000 steps the team
# plays 128 battles without exploring (*greedily*); the line is the share that it won. The band will occupy us soon.
# You may interrupt the cell (■): the team keeps what it has learnt so far, and every later cell works.

# %%
STEPS = steps(200_000, fast=3_000)
teams, curves = {}, {}


def picture_of(curves):
    ax = Figure(figsize=(8, 3.6), layout="constrained").add_subplot()
    return plot_win_curves(curves, ax=ax).figure


def with_band(m):
    won = round(m["win_rate"] * m["eval_episodes"])
    return m["env_steps"], m["win_rate"], *wilson_interval(won, m["eval_episodes"])


def train_team(name, algorithm, seed, until=STEPS, settings=None, shown=curves):
    env = qmix_edu.make_env("smax/3m", n_envs=32, seed=seed)
    teams[name], shown[name] = algorithm(env.spec, seed=seed), []
    status, picture = (display(Markdown("…"), display_id=True) for _ in range(2))
    for m in qmix_edu.train(env, teams[name], until, settings=settings, seed=seed):
        status.update(Markdown(f"{name}: {m['env_steps']:,} of {until:,} steps, {m['cpu_seconds']:.0f} CPU-s"))
        if "win_rate" in m:
            shown[name].append(with_band(m))
            picture.update(picture_of(shown))


# %%
train_team("QMIX", algorithms.qmix, seed=0)

# %% [markdown]
# **Watch it.** The same marines in the same places as in the first picture, this time with what they have learnt:

# %%
env.set_rng_state(start)
battles = record_battles(env, teams["QMIX"])
_ = plot_filmstrip(battles[0])

# %%
HTML(battle_player(battles[0]))

# %%
Counter(battle.outcome for battle in battles)

# %% [markdown]
# **Explain.** What does the team do that the random one does not? Two things can be counted: in how many steps two or
# more of ours shoot at once, and how often *all* of them then shoot at the same enemy (*focus fire*). A dead enemy does
# not shoot back, so it pays to finish one after the other.


# %%
def focus(battles):
    orders = [t[t >= 0] for b in battles for t in b.targets[:, b.teams == 0]]
    at_one = [len(set(t)) == 1 for t in orders if len(t) > 1]
    return f"{len(at_one)} steps with two or more shooting, in {sum(at_one)} of them at one enemy"


print("at random:", focus(random_battles))
print("trained:  ", focus(battles))

# %% [markdown]
# Look at a battle that was not won, too: `HTML(battle_player([b for b in battles if not b.won][0]))`. What went
# wrong there?

# %% [markdown]
# ## 4. How sure are we?
#
# A win rate is measured on some number of battles, and the next ones will give another.
#
# **Predict.** We let the *same* team play 32 battles, twenty times over. How far apart are the highest and the lowest
# of the twenty win rates? Write a number between 0 and 1.

# %%
my_spread = ...

# %%
rates = [evaluate(env, teams["QMIX"], 32)["win_rate"] for _ in range(20)]
print("sorted:", *(f"{r:.2f}" for r in sorted(rates)))
reveal(my_spread, round(max(rates) - min(rates), 2), "Nothing changed between them but luck.")

# %% [markdown]
# **Explain.** Each battle is a coin that falls on "won" with probability p. The share of n such coins has the
# **standard error**
#
# $$\sqrt{p(1-p)/n},$$
#
# for n = 32 and p = .5 that is .088: 8.8 percentage points, before anybody has compared anything. Ninety-five per cent
# of all measurements fall within 1.96 standard errors of p.
#
# So "p ± 1.96 standard errors" seems a natural interval. But it breaks where we want to use it: a team that wins 32
# of 32 gets 1 ± 0, as if it could never lose. **Wilson's interval** asks the other way round, which values of p would
# make our count unsurprising, and mends that. With p = wins / n and z = 1.96:
#
# $$\frac{1}{1 + z^2/n}\left(p + \frac{z^2}{2n} \;\pm\; z\sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}\right)$$
#
# **Exercise 2.** Write `wilson`: the two ends of this interval.


# %% tags=["exercise"]
def wilson(wins, episodes):
    """Return the lower and the upper end of the 95 % interval of a win rate."""
    ### BEGIN SOLUTION
    z = 1.96
    rate, extra = wins / episodes, z**2 / episodes
    centre = rate + extra / 2
    half = z * np.sqrt(rate * (1 - rate) / episodes + extra / (4 * episodes))
    return (centre - half) / (1 + extra), (centre + half) / (1 + extra)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_12 import check_wilson

check_wilson(wilson)

# %% [markdown]
# The library's `wilson_interval` computes the same; it drew the band of the curve. Now our team's result, on 256
# battles that are played for this purpose alone; above it, what the 32 battles that we watched would have told us. (Do
# not report the best point of a training curve: the luckiest of
# eight measurements is a lucky one.)

# %%
BATTLES = 256
wins = {"QMIX": round(BATTLES * evaluate(env, teams["QMIX"], BATTLES)["win_rate"])}
for won, played in [(sum(b.won for b in battles), 32), (wins["QMIX"], BATTLES)]:
    low, high = wilson_interval(won, played)
    print(f"{won:3} of {played:3}: {won / played:.3f}, 95 % interval {low:.3f} to {high:.3f}")

# %% [markdown]
# ## 5. How many battles does a comparison take?
#
# Suppose one team truly wins .80 of its battles, another .88. The difference of two measured rates has the standard
# error $\sqrt{(p(1-p) + q(1-q))/n}$, n battles each: variances add.
#
# **Exercise 3.** Write `battles_needed`: the least n for which the two rates lie 1.96 of these standard errors apart.


# %% tags=["exercise"]
def battles_needed(rate, other_rate):
    """Return the number of battles of each team that tells the two rates apart."""
    ### BEGIN SOLUTION
    variance = rate * (1 - rate) + other_rate * (1 - other_rate)
    return int(np.ceil(1.96**2 * variance / (rate - other_rate) ** 2))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_12 import check_battles_needed

check_battles_needed(battles_needed)

# %%
print("  .80 and .88:", chapter_12.battles_needed(0.80, 0.88), "battles each")
print("  .80 and .84:", chapter_12.battles_needed(0.80, 0.84), "battles each")

# %% [markdown]
# **Predict.** You play exactly that many battles with the teams .80 and .88, 160 each. With which probability do you
# find them more than 1.96 standard errors apart, so that you can say which one is better?

# %%
my_chance = ...

# %%
draws = np.random.default_rng(0).binomial(160, [0.88, 0.80], size=(10_000, 2))
found = np.mean([chapter_12.is_supported(*won, 160) for won in draws.tolist()])
because = "The *true* difference lies on the threshold, so luck decides like a coin."
reveal(my_chance, round(float(found), 1), because)

# %% [markdown]
# **Explain.** An experiment of this size misses a real difference every second time. To find it in four of five cases
# the rates have to lie 1.96 + 0.84 standard errors apart (four of five draws from a bell curve lie above its mean less
# 0.84 standard deviations), and that takes twice as many battles: $(2.8 / 1.96)^2$ is about 2.

# %% [markdown]
# ## 6. VDN and IQL
#
# **Run.** The same number of steps for the other two.

# %%
train_team("VDN", algorithms.vdn, seed=0)

# %%
train_team("IQL", algorithms.iql, seed=0)

# %% [markdown]
# **Exercise 4.** Two teams have played equally many battles. Write `supported`: is the claim "the first is better"
# supported by the counts? Take it as supported when its rate is ahead by more than 1.96 standard errors of the
# difference.


# %% tags=["exercise"]
def supported(wins, other_wins, episodes):
    """Return whether the counts support that the first team is better than the other."""
    ### BEGIN SOLUTION
    p, q = wins / episodes, other_wins / episodes
    return bool(p - q > 1.96 * np.sqrt((p * (1 - p) + q * (1 - q)) / episodes))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_12 import check_supported

check_supported(supported)

# %% [markdown]
# All three, on 256 fresh battles each:


# %%
def show_win_rates():
    ax = plt.subplots(figsize=(7, 0.6 + 0.6 * len(teams)), layout="constrained")[1]
    for name in [name for name in teams if name not in wins]:
        wins[name] = round(BATTLES * evaluate(env, teams[name], BATTLES)["win_rate"])
    ends = [wilson_interval(wins[name], BATTLES) for name in teams]
    rates = [wins[name] / BATTLES for name in teams]
    plot_win_rates(list(teams), rates, *zip(*ends, strict=True), ax=ax)


show_win_rates()

# %%
order = sorted(wins, key=wins.get, reverse=True)
for better, other in [(order[0], order[1]), (order[1], order[2]), (order[0], order[2])]:
    claim = chapter_12.is_supported(wins[better], wins[other], BATTLES)
    verdict = "supported" if claim else "not supported"
    print(f"{better} ({wins[better]}) beats {other} ({wins[other]}): {verdict}")
reveal(my_order, order, "Which of these places do the three lines above support?")

# %% [markdown]
# **Explain.** Did you expect VDN to fail? On 3m it does not. When we ran this chapter, QMIX, VDN and IQL won 214, 207
# and 163 of 256 battles: QMIX's lead over VDN was *not* supported, IQL's place behind both was. The units are alike,
# the battle is short, and a sum of three utilities can rank what they do well enough. What the mixer adds, a value that
# bends and depends on the state, this map hardly asks for. A map on which a method does not fail says nothing about the
# maps on which it does.

# %% [markdown]
# ## 7. One team is not an algorithm
#
# The intervals above are about *these three teams*: would the same networks win again? An algorithm is something else.
# Begin once more from other random weights, other battles, other exploration, and it gives another team.
#
# **Predict.** QMIX again, with seed 1 and nothing else changed. Will its win rate lie within the interval of our first
# QMIX team? Write `True` or `False`.

# %%
same_again = ...

# %%
train_team("QMIX, seed 1", algorithms.qmix, seed=1)

# %%
show_win_rates()

# %%
low, high = wilson_interval(wins["QMIX"], BATTLES)
inside = low <= wins["QMIX, seed 1"] / BATTLES <= high
gap = abs(wins["QMIX, seed 1"] - wins["QMIX"]) / BATTLES
reveal(same_again, inside, f"The two teams of one algorithm lie {100 * gap:.1f} points apart.")

# %% [markdown]
# **Explain.** Compare the distance between the two QMIX teams with the distances between the algorithms. More battles
# make the first interval narrower, and they do not touch this second kind of doubt: only more *seeds* do. That is why
# papers on SMAC show the median of five or more seeds with quartiles. So shall we.
#
# ## 8. Five seeds, two maps
#
# On `3s_vs_5z` three stalkers, which shoot from a distance, meet five zealots, which have to come close. Two million
# steps take one team about five minutes of processor time, and there are fifteen teams: five seeds of each algorithm,
# all with the same settings. They were trained beforehand and come with the package, with their curves. For `3m` we
# have five seeds of 300,000 steps.
#
# **Predict.** Order the three by the median of their final win rates on `3s_vs_5z`, the best first. And say to
# yourself: will the distances be about those of `3m`?

# %%
my_second_order = ...

# %%
MAPS, METHODS = ("3s_vs_5z", "3m"), {"QMIX": "qmix", "VDN": "vdn", "IQL": "iql"}
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8), sharey=True, layout="constrained")
for map_name, ax in zip(MAPS, axes, strict=True):
    runs = {name: pretrained.curves(map_name)[key] for name, key in METHODS.items()}
    plot_learning_curves(runs, ylabel="win rate (share of greedy battles)", ax=ax)
    ax.set(title=map_name, ylim=(-0.02, 1.02))
    ax.xaxis.set_major_formatter(EngFormatter())

# %% [markdown]
# **Picture.** Win rate in 128 greedy battles against environment steps (k: thousand, M: million). The line is the
# median over five seeds; half of the seeds lie in the band, which goes from the first quartile to the third. This band
# is *not* that of section 3: there it was the luck of the battles of one team, here it is how teams differ.
#
# The last policy of every run has played 256 battles more:

# %%
final = {m: {name: pretrained.final_win_rates(m)[key] for name, key in METHODS.items()} for m in MAPS}
for map_name in MAPS:
    for name, rates in final[map_name].items():
        spent = np.median(pretrained.cpu_seconds(map_name)[METHODS[name]])
        seeds = " ".join(f"{rate:.2f}" for rate in sorted(rates))
        print(f"{map_name:8}  {name:4}  median {np.median(rates):.2f}   seeds {seeds}   {spent:3.0f} CPU-s each")
found = sorted(METHODS, key=lambda name: np.median(final["3s_vs_5z"][name]), reverse=True)
reveal(my_second_order, found, "By the medians of five seeds.")

# %% [markdown]
# **Explain.** The order of the medians is the same on both maps, QMIX, VDN, IQL; the distance is not. On `3m` they are
# .85, .75 and .61: VDN does not fail there. On `3s_vs_5z` they are .99, .46 and .23. "QMIX beats VDN" would
# be true of both maps and hide what matters, *by how much*, and that it depends on the map.
#
# Look at the curves of VDN and IQL again, before their end. Every 100,000 steps: whose median is higher?


# %%
def medians(runs, at):
    return np.median([np.interp(at, env_steps, win_rates) for env_steps, win_rates in runs], axis=0)


at = np.arange(100_000, 2_000_001, 100_000)
vdn, iql = (medians(pretrained.curves("3s_vs_5z")[name], at) for name in ("vdn", "iql"))
for ahead, where in {"IQL ahead": at[iql > vdn], "VDN ahead": at[vdn > iql]}.items():
    print(f"{ahead}, after million steps:", *(f"{x / 1e6:.1f}" for x in where))

# %% [markdown]
# Had these runs been stopped after one and a half million steps, the last place would be another algorithm's: so fix
# the budget before you see the curves. A ranking belongs to a map, a budget and a measure; a curve shows what a table
# of final values hides.
#
# ## 9. Five seeds, or two?
#
# Five teams of each cost an hour and more. Suppose we had trained only two seeds of VDN and two of IQL. We do not have
# to guess what we would have reported: two of five can be drawn in ten ways, for either algorithm, which makes a
# hundred pairs of small experiments.
#
# **Predict.** In which share of the hundred is the median of IQL on `3s_vs_5z` higher than that of VDN? And with
# *three* seeds of each, will the share be larger or smaller? Write the first as a number between 0 and 1.

# %%
my_share = ...

# %% [markdown]
# **Exercise 5.** Write `wrong_order`. `rates` are the final win rates of all seeds of the algorithm that is ahead,
# `other_rates` those of the other. Take every way to choose k seeds of the one together with every way to choose k of
# the other, and return the share in which the other's median is higher (equal is not higher). `combinations` and
# `product` are imported.


# %% tags=["exercise"]
def wrong_order(rates, other_rates, k):
    """Return the share of experiments with k seeds each in which the other algorithm has the higher median."""
    ### BEGIN SOLUTION
    ours, others = ([np.median(chosen) for chosen in combinations(all_of, k)] for all_of in (rates, other_rates))
    return np.mean([other > our for our, other in product(ours, others)])
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_12 import check_wrong_order

check_wrong_order(wrong_order)

# %%
for map_name, better, other in product(MAPS, ["QMIX", "VDN"], ["VDN", "IQL"]):
    if better != other:
        rates, other_rates = final[map_name][better], final[map_name][other]
        shares = (f"{chapter_12.wrong_order(rates, other_rates, k):5.2f}" for k in (1, 2, 3, 4))
        print(f"{map_name:8}  {better:4} before {other:4} wrong with 1, 2, 3, 4 seeds:", *shares)
share = chapter_12.wrong_order(final["3s_vs_5z"]["VDN"], final["3s_vs_5z"]["IQL"], 2)
reveal(my_share, round(share, 2), "Look at three seeds, in the same line.")

# %% [markdown]
# **Explain.** That QMIX is first on `3s_vs_5z`, a single one of these seeds would have shown: its worst team wins more
# often than the best of the others. A distance as large as this does not need five seeds. VDN before IQL is another
# matter: one seed of each gives the wrong order in 24 of 100 cases, two in 5, and three in 21. *More* seeds, and worse?
# The median of two numbers is their mean. The median of three is one of the seeds, the middle one, and two of VDN's
# five teams ended far below the rest: where both are drawn, one of them is the median. With so few seeds it matters
# which statistic you choose, and you have to choose it before you see the numbers.
#
# The share has a blind spot, too. All five against all five leave one experiment, so the share is 0 or 1. That is
# no certainty: it takes the five for all there are, and other seeds would give other win rates. The *bootstrap* draws
# five of the five *with* replacement, again and again, and asks how far the result moves. The result is here the
# **interquartile mean** (IQM), the mean of the middle half: it heeds more of the seeds than the median does, and a
# single odd one less than the mean does.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 2.4), sharey=True, layout="constrained")
for map_name, ax in zip(MAPS, axes, strict=True):
    middle = [interquartile_mean([np.array(rates)]) for rates in final[map_name].values()]
    plot_win_rates(list(METHODS), [m for m, _ in middle], *zip(*(ends for _, ends in middle), strict=True), ax=ax)
    ax.set(title=map_name, xlabel="IQM of the final win rates of five seeds")

# %% [markdown]
# **Picture.** Interquartile mean and its 95 % bootstrap interval, five seeds each. On `3s_vs_5z` QMIX's interval lies
# far above the others; those of VDN and IQL are wide, and they overlap. (Overlap alone is no verdict, as exercise 4
# showed. [Chapter 14](14_ablations.ipynb) has a test for few seeds, and asks how often such an interval holds what it
# promises: with few seeds, less often than it says.) So report: QMIX before both; VDN before IQL in these five seeds,
# which do not suffice to be sure.

# %% [markdown]
# ## 10. Your turn: move the ranking
#
# Until now all three explored alike: ε fell over 100,000 steps. Nothing obliges them to. Below, QMIX gets a slow
# schedule and VDN a fast one, on `3m`, for 100,000 steps each (a minute or so together).
#
# **Predict.** Who wins more battles after 100,000 steps: `"QMIX"` with ε falling over 400,000 steps, or `"VDN"` with
# ε falling over 10,000?

# %%
my_winner = ...

# %%
SHORT = steps(100_000, fast=3_000)
epsilon_steps = {"QMIX": 400_000, "VDN": 10_000}  # change them; add "IQL"

default = train_settings("smax/3m")
retuned, short_curves = {}, {}
for name, falls_over in epsilon_steps.items():
    retuned[name] = f"{name}, ε over {falls_over:,}"
    settings = replace(default, epsilon_steps=falls_over)
    train_team(retuned[name], getattr(algorithms, METHODS[name]), 0, SHORT, settings, short_curves)


# %%
def win_rate_after(points, env_steps):
    return min(points, key=lambda point: abs(point[0] - env_steps))[1]


compared = {name: curves[name] for name in METHODS} | short_curves
reached = {name: win_rate_after(points, SHORT) for name, points in compared.items() if points}
for name in sorted(reached, key=reached.get, reverse=True):
    low, high = wilson_interval(round(reached[name] * default.eval_episodes), default.eval_episodes)
    print(f"{reached[name]:.2f} ({low:.2f} to {high:.2f})  {name}")
winner = max(retuned, key=lambda name: reached.get(retuned[name], 0))
reveal(my_winner, winner, f"After {SHORT:,} steps, one seed each; a bare name has the default schedule.")

# %% [markdown]
# **Explain.** When we ran this with the seeds 0, 1 and 2, VDN won .68, .59 and .60 of 128 battles, QMIX .55, .50 and
# .55: the order of section 8 is turned round. After 100,000 steps QMIX's ε stood at 1 - .95/4 = .76: three of four
# actions were still drawn at random, while VDN had explored little for nine tenths of the time. Nothing else had
# changed. With the *same* schedule for both, fast, slow or default, QMIX was ahead when we tried (one seed).
#
# A paper that tunes its own method, and leaves the other at what happened to be the default, compares the tuning. Give
# every method the same budget for it, and say what it was.
#
# **Open question.** Change the cell: with which schedules does IQL win? And what does one seed of each say about your
# new ranking?

# %% [markdown]
# ## Two things people believe
#
# - *"QMIX beats VDN everywhere."* Its class of functions is larger, but a larger class helps only where it is
#   needed, and what is learnt within the budget decides. `3m` is one map where the sum does well; on `3s_vs_5z` it
#   does not. And section 10 turns the order on `3m` round by exploration alone.
# - *"One curve is a result."* It is one team out of all that this algorithm could have made, measured with luck at
#   every point. Section 4 is the luck of the battles, section 7 that of the seed.
#
# ## What to remember
#
# - Mask before the maximum, not after it.
# - n battles leave a standard error of √(p(1-p)/n): 8.8 points for 32, 3.1 for 256, at p = .5.
# - Variances add; half the difference takes four times the battles.
# - Battles measure a team, seeds measure an algorithm. Report both numbers.
# - A large distance shows with two seeds, a small one not surely with five. A ranking belongs to a map, a budget and
#   the settings that each method was given.
#
# **The next question.** The mixer was trained along with the marines. What has it learnt? → [13 Inside a
# trained QMIX](13_inside_a_trained_qmix.ipynb)
#
# ## Sources
#
# **Read on:** Agarwal et al. What do they report in place of a mean, and what does one need to compute it?
#
# - Samvelyan et al., *The StarCraft Multi-Agent Challenge*, 2019 ([arXiv 1902.04043](https://arxiv.org/abs/1902.04043)):
#   the benchmark, and how to report on it.
# - Rutherford et al., *JaxMARL*, 2023 ([arXiv 2311.10090](https://arxiv.org/abs/2311.10090)): SMAX.
# - Rashid et al., *QMIX*, ICML 2018 ([arXiv 1803.11485](https://arxiv.org/abs/1803.11485)); Sunehag et al., *VDN*, 2017
#   ([arXiv 1706.05296](https://arxiv.org/abs/1706.05296)).
# - Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical Precipice*, NeurIPS 2021
#   ([arXiv 2108.13264](https://arxiv.org/abs/2108.13264)): few seeds, the interquartile mean and its interval.
# - Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22(158), 1927: the interval.
