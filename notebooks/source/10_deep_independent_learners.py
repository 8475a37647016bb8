# %% [markdown]
# # 10 · Deep independent learners
#
# **Question.** An independent learner's target moves, because its own network learns and because its partners do. Can a
# network be optimistic about them?
#
# In chapter 02 tables could. But a table knows one row for each action of *one* game, played once. With time there is
# a state, then millions of states; there are old data, drawn again and again from a memory; and a value is learnt
# from other values (chapter 09). Does optimism survive this?
#
# You will be able to
# - make a deep independent learner optimistic with one line in its loss, and say *before* training how much optimism
#   a game can bear;
# - let forgiveness end step by step along an episode;
# - say what a distribution of returns can tell about bad luck and bad partners, and what it cannot;
# - see when old data mislead because the partner has changed, and correct them by a weight.
#
# **Time needed:** 60 minutes; for two to five of them the machine trains. Four exercises. Before it: [02 Independent
# learners](02_independent_learners.ipynb), [09 From DQN to many agents](09_from_dqn_to_many_agents.ipynb).

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle

from matrix_games import catalogue
from qmix_edu import algorithms, learner_settings, make_env, train, wilson_interval
from qmix_edu.exercises import chapter_10, reveal, steps
from qmix_edu.independent import Leniency
from qmix_edu.plots import action_names, plot_payoff, plot_win_rates
from qmix_edu.settings import train_settings

torch.set_num_threads(1)
names = action_names(3)  # a, b, c
games = {"deterministic": catalogue["climbing"], "fully stochastic": catalogue["climbing-fully-stochastic"]}

# %% [markdown]
# ## 1. Climbing at the end of a walk
#
# Two agents (1 and 2) and goods (the square) in a room of 5 × 2 cells. An agent beside the goods *holds* them. When
# both hold them, the goods move if both choose the same direction. In the upper row, the bay, the actions east, north
# and west become a, b and c: when each agent has chosen one of them, the goods are down, and the climbing game pays.
# Before that nothing is paid.


# %% tags=["lesson"]
def draw_room(ax, obs, title):
    """Draw one moment of the gridworld from agent 1's observation: its cell, the other's, and the goods'."""
    cells = obs[:30].reshape(3, 10).argmax(dim=1)
    (x1, y1), (x2, y2), (x, y) = ((int(k) % 5, int(k) // 5) for k in cells)
    ax.add_patch(Rectangle((-0.5, 0.5), 5, 1, facecolor="0.9", hatch="///", edgecolor="0.75"))
    ax.add_patch(Rectangle((x - 0.3, y - 0.3), 0.6, 0.6, facecolor="#E69F00", edgecolor="black"))
    for agent, (i, j), colour in ((1, (x1, y1), "#0072B2"), (2, (x2, y2), "white")):
        ax.plot(i, j, "o", markersize=22, markerfacecolor=colour, markeredgecolor="black")
        ax.text(i, j, agent, ha="center", va="center", color="white" if agent == 1 else "black")
    ax.set(xlim=(-0.5, 4.5), ylim=(-0.5, 1.5), aspect="equal", title=title, xlabel="x (cells)", ylabel="y (cells)")
    ax.set_xticks(np.arange(0.5, 4), [])
    ax.set_yticks([0, 0.5, 1], ["", "", "bay"])
    ax.tick_params(length=0)
    ax.grid(alpha=0.4)


# %%
ACTIONS = ["stay", "north", "south", "west", "east"]
env = make_env("gridworld/deterministic")
seen, route = env.reset(), [("east", "west"), ("north", "north"), ("east", "east")]
figure, axes = plt.subplots(1, 3, figsize=(11, 2), layout="constrained")
for ax, actions in zip(axes, route, strict=True):
    draw_room(ax, seen.obs[0, 0], f"they choose {actions[0]}, {actions[1]}")
    moved = env.step(torch.tensor([[ACTIONS.index(a) for a in actions]]))
    seen = moved.observation
print("paid at the end:", moved.reward.item())
_ = plot_payoff(games["deterministic"].payoff, ax=plt.subplots(figsize=(4.2, 3.4), layout="constrained")[1])

# %% [markdown]
# Three steps are enough for the best return, 11. An agent sees where all three stand and who holds the goods. A
# network now carries its values, the same network for every place, and learns them from replayed episodes.
#
# In chapter 02 optimism was an update: α for good news, β for bad. A network has no update of its own; it has a
# *loss* and an optimiser. With the TD error $d = y - Q_a(o_a, u_a)$ the **hysteretic** loss is
#
# $$L = \frac{\sum w\, m\, d^2}{\sum m}, \qquad w = 1 \text{ where } d \ge 0, \qquad w = \beta \text{ where } d < 0,$$
#
# and m is the mask, 1 at real steps and 0 at the padding after the end of an episode.
#
# **Exercise 1.** Write `hysteretic_loss`; one line is enough. `errors` and `mask` are arrays `[episode, step]`.


# %% tags=["exercise"]
def hysteretic_loss(errors, mask, beta):
    """Return the loss of a batch of TD errors (target minus value)."""
    ### BEGIN SOLUTION
    return (np.where(errors >= 0, 1, beta) * mask * errors**2).sum() / mask.sum()
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_10 import check_hysteretic_loss

check_hysteretic_loss(hysteretic_loss)

# %% [markdown]
# **Predict.** Train IQL and a hysteretic learner (β = .1) for 20,000 steps on the deterministic gridworld. What does
# each team earn at last, without exploring? Write two numbers, for IQL and for hysteretic.

# %%
my_returns = ...


# %% [markdown]
# **Run.** Some ten to thirty seconds each. Nothing differs between the two but that line.


# %%
def gridworld_curve(name, task, seed=0):
    """Train one team; return environment steps and mean greedy returns on the way."""
    settings = replace(train_settings(task, name), updates_per_round=8, epsilon_steps=12_000)
    settings = replace(settings, eval_interval=1_000, eval_episodes=64)
    env = make_env(task, settings.n_envs, seed)
    learner = getattr(algorithms, name)(env.spec, seed=seed)
    log = list(train(env, learner, steps(20_000, 700), settings=settings, seed=seed))
    return np.array([(m["env_steps"], m["mean_return"]) for m in log if "mean_return" in m])


walkers = {name: gridworld_curve(name, "gridworld/deterministic") for name in ("iql", "hysteretic")}

# %%
ax = plt.subplots(figsize=(7, 3), layout="constrained")[1]
for (name, curve), style in zip(walkers.items(), ["o--", "s-"], strict=True):
    ax.plot(*curve.T, style, markersize=4, label=name)
ax.axhline(11, color="black", linewidth=0.8, linestyle=":")
ax.set(xlabel="environment steps", ylabel="greedy return (dotted: best)")
_ = ax.legend()

# %%
returns = [curve[-1, 1] for curve in walkers.values()]
reveal(my_returns, returns, "IQL finds the way, and then the safe cell. One team each: section 3 counts more.")

# %% [markdown]
# **Explain.** Both learn to walk, to grasp and to carry: there the partner's slips cost time, not 30. They part in
# the bay, where IQL's network does what IQL's table did: it averages over the partner. The 5 is (c, c). So a network
# can be optimistic, and it takes one line.
#
# (Optimism has a price that one-shot games do not show: a step that failed because the partner did not agree is bad
# news too, and hardly marked down. Detours would look as good as the straight way, were it not for the discount γ =
# .9.)
#
# ## 2. How much optimism? Ask before training
#
# Where does the weighted loss come to rest? For one action with returns x, where the weighted errors balance: $\sum_x
# w(x)\,(x - v) = 0$. This v is called an **expectile**. β = 1 gives the mean, β → 0 the maximum. It is the mean with
# weights that depend on v itself, so take weighted means until nothing changes.


# %%
def expectile(returns, beta):
    """Return the value at which the hysteretic loss of these returns is least."""
    value = returns.mean()
    for _ in range(100):
        value = np.average(returns, weights=np.where(returns >= value, 1, beta))
    return value


def row_values(game, beta):
    """Return what agent 1's rows are worth to a hysteretic learner whose partner plays at random."""
    outcomes = game.payoff[None] if game.outcomes is None else game.outcomes
    return [expectile(outcomes[:, row].ravel(), beta) for row in range(3)]


# %% [markdown]
# **Predict.** The partner still plays at random. In the deterministic game, below which β does row a look best? And
# in the fully stochastic one, which has the same averages? Write two numbers; 0 stands for "below none".

# %%
my_betas = ...

# %%
betas = np.geomspace(1e-3, 1, steps(121, 31))
largest = []
_, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True, layout="constrained")
for ax, (name, game) in zip(axes, games.items(), strict=True):
    values = np.array([row_values(game, beta) for beta in betas])
    for row, style in enumerate(["-", "--", ":"]):
        ax.semilogx(betas, values[:, row], style, color="black", label=f"row {names[row]}")
    largest.append(betas[values.argmax(axis=1) == 0].max(initial=0))
    ax.set(title=name, xlabel="β (more optimistic to the left)")
axes[0].set_ylabel("value of the row to agent 1")
_ = axes[0].legend()

# %%
reveal(my_betas, [round(beta, 2) for beta in largest], "With noise everywhere row b lies above row a at every small β.")

# %% [markdown]
# **Explain.** To the right the averages rule: row c. To the left the maxima rule. In the deterministic game they are
# maxima over the partner alone, and right: below β = .2 row a is on top. In the noisy game they are maxima over luck
# as well: row b once paid 14, and no β puts row a on top. These are exact statements about the *first* beliefs, while
# the partner plays at random. Whether the team gets out of them later is for the experiment.
#
# (And β = 0, distributed Q-learning? In a table it is safe, where nothing is random. In a network raising one value
# raises others with it, and nothing lowers them again: the values can run away. Hence a small β.)
#
# ## 3. Five seeds
#
# Now networks on the two climbing games themselves: each team plays 8,000 times, ε falls from 1 to .05 over the first
# 6,000. Beside IQL and hysteretic there are two more: **lenient**, which forgives less the more often an action was
# tried (section 4), and **NUI**, negative update intervals, which weighs no errors but chooses *episodes*: each agent
# learns at first from the best return of each of its actions alone, and later from all that are not unusually low for
# this action. The actions are shuffled with the seed, so that no team gains by the order of the table.


# %% tags=["lesson"]
def final_payoff(name, game, seed):
    """Train one team; return the mean payoff of the joint action that it then plays."""
    game = game.shuffled(np.random.default_rng(seed))
    settings = replace(
        train_settings("matrix/climbing", name),
        updates_per_round=4,
        epsilon_start=1.0,
        epsilon_finish=0.05,
        epsilon_steps=6_000,
        eval_interval=10**9,
        eval_episodes=1,
    )
    env = make_env(game, settings.n_envs, seed)
    rate = replace(learner_settings("matrix/climbing", name), learning_rate=5e-3)
    learner = getattr(algorithms, name)(env.spec, seed=seed, settings=rate)
    for _ in train(env, learner, steps(8_000, 200), settings=settings, seed=seed):
        pass
    seen, none_yet = env.reset(), torch.full((settings.n_envs, 2), env.spec.n_actions)
    utilities, _ = learner.utilities(seen.obs, none_yet, None)
    return float(game.payoff[tuple(learner.greedy(utilities, seen.avail_actions)[0].tolist())])


# %% [markdown]
# **Predict.** How many of five hysteretic teams end in (a, a) in the deterministic game, and how many in the fully
# stochastic one?

# %%
my_hysteretic = ...

# %% [markdown]
# **Run.** Forty teams, two to six seconds each: two to four minutes.

# %%
SEEDS = steps(5, 1)
LEARNERS = ["iql", "hysteretic", "lenient", "nui"]
payoffs = {
    (name, variant): [final_payoff(name, game, seed) for seed in range(SEEDS)]
    for name in LEARNERS
    for variant, game in games.items()
}

# %%
_, axes = plt.subplots(1, 2, figsize=(11, 3.2), sharey=True, layout="constrained")
for ax, variant in zip(axes, games, strict=True):
    solved = [sum(payoff == 11 for payoff in payoffs[name, variant]) for name in LEARNERS]
    ends = [wilson_interval(count, SEEDS) for count in solved]
    plot_win_rates(LEARNERS, np.array(solved) / SEEDS, *zip(*ends, strict=True), ax=ax)
    ax.set(title=variant, xlabel=f"share of {SEEDS} seeds that end in (a, a), 95 % interval", xlim=(-0.1, 1.1))
for (name, variant), found in payoffs.items():
    print(f"{name:11s} {variant:17s} ends in payoffs", *(f"{payoff:g}" for payoff in sorted(found)))

# %%
counts = [sum(payoff == 11 for payoff in payoffs["hysteretic", variant]) for variant in games]
reveal(my_hysteretic, counts, "As section 2 said, of the first beliefs alone.")

# %% [markdown]
# **Explain.** What may be said after five seeds? Five of five leaves an interval from .57 to 1, none of five one from
# 0 to .43 (chapter 12). The two do not overlap, so "optimists solve the one game and not the other" is supported.
# Which of two learners with five of five is better, five seeds cannot say. Chapter 02's tables, a thousand runs each,
# tell the same story; here it is told by networks.
#
# In our run lenient solved the noisy game no more than hysteretic did, as tables did not with an unsuited θ. NUI
# solved it with every seed: once the partner has settled, bad luck is common and comes in, a slip is rare and stays
# out, and what is left is averaged. The idea of section 5, in another form.
#
# **Open question.** How much luck does optimism bear? Let the deterministic game pay s more or s less, by the toss of
# a coin: `matrix_games.MatrixGame("coin", p, "mine", outcomes=[p - s, p + s])`, where p is
# `games["deterministic"].payoff`. Up to which s does row a look best (`row_values`) for β = .1? And up to which s do
# teams find (a, a), by `final_payoff`, five seeds each? Where the two answers differ: why?
#
# **Predict.** Back to the room. One hysteretic team learns in it with *fully stochastic* climbing in the bay. What
# does it earn at last, on average? Write a number; 11 is the best again. (It trains for ten to thirty seconds.)

# %%
my_noisy_return = ...

# %%
noisy_curve = gridworld_curve("hysteretic", "gridworld/fully-stochastic")
print("mean of 64 greedy episodes at the last evaluations:", *(f"{value:.1f}" for value in noisy_curve[-6:, 1]))
because = "The way is learnt as before. In the bay luck is taken for skill: (b, b) pays 14 or 0."
reveal(my_noisy_return, round(float(noisy_curve[-6:, 1].mean()), 1), because)

# %% [markdown]
# ## 4. Forgive the young, along an episode
#
# In chapter 02 an action had a temperature, high while the action is young. With time every observation and action
# has one, and something new matters: an early step is judged by the values of *later* ones. While those are still
# young, good or bad, a verdict on the first step would be too early. So let the end cool first (Palmer et al. 2018).
# After an episode, with n the number of steps to its end (0 for the last transition),
#
# $$T \leftarrow \min\big(e^{\rho d^{\,n}}\, T,\; T_{\max}\big), \qquad \rho < 0, \quad 0 < d < 1,$$
#
# and bad news at this observation and action is weighted by $1 - l$ with the **leniency** $l = 1 - e^{-K T}$.
# The numbers ρ, d and K are chosen beforehand (this d is no TD error: $d^n$ says how much slower the early steps cool).
#
# **Exercise 2.** Write `cooled`. `temperatures` holds those of one episode, in the order of its steps; no observation
# comes twice. Return two arrays: the temperatures after it, and the leniency that *they* give.


# %% tags=["exercise"]
def cooled(temperatures, highest, moderation, rho, d):
    """Return the temperatures after the episode, and their leniency; highest is T_max, moderation K."""
    ### BEGIN SOLUTION
    to_the_end = np.arange(len(temperatures))[::-1]
    after = np.minimum(np.exp(rho * d**to_the_end) * temperatures, highest)
    return after, 1 - np.exp(-moderation * after)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_10 import check_cooled

check_cooled(cooled)

# %% [markdown]
# **Predict.** A team walks the same route of eight steps again and again, and nothing else cools it (T_max stays 1).
# After a thousand episodes, what is left of the leniency at the first step, and at the last? Write two numbers.
# (ρ = -.002, d = .9, K = 3, as the library's lenient learner has them on the gridworld.)

# %%
my_leniencies = ...

# %%
palmer = Leniency(rho=-0.002)
noted, temperatures = {}, np.ones(8)
for episode in range(4001):
    if episode in (0, 300, 1000, 2000, 4000):
        noted[episode] = 1 - np.exp(-palmer.moderation * temperatures)
    temperatures, _ = chapter_10.cooled(temperatures, 1.0, palmer.moderation, palmer.rho, palmer.d)

# %%
ax = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
for (episode, leniency), style in zip(noted.items(), ["o-", "s--", "^-.", "v:", "D-"], strict=True):
    ax.plot(range(1, 9), leniency, style, color="black", markerfacecolor="white", label=f"after {episode:,}")
ax.set(xlabel="step of the episode", ylabel="leniency $l$", ylim=(0, 1))
_ = ax.legend(title="episodes", loc="center left", bbox_to_anchor=(1, 0.5))

# %%
reveal(
    my_leniencies,
    noted[1000][[0, -1]].round(2).tolist(),
    "The last step is judged by what was paid; the first must wait.",
)

# %% [markdown]
# **Explain.** The slope is the point: strictness travels from the end to the beginning, as values do in the two-step
# game. How *fast* it travels, ρ and K decide, and they must fit the length of training: leniency has to outlast
# exploration, or the partner's slips are counted; and it has to end before training does, or luck is believed for
# ever. It is θ of chapter 02 again. Nobody gives it to the agents.
#
# ## 5. Bad luck or a bad partner?
#
# Could an agent *see* which it was? Let it keep not one value but the whole distribution of what an action brought
# (quantiles, in a network). Bad luck comes again and again; a slip of a partner who hardly explores is rare. So
# believe bad news as far as it is *common* (Lyu and Amato 2020):
#
# $$w = 1 \text{ for good news}, \qquad w = \max(\beta,\; l) \text{ for bad news},$$
#
# where l is the likelihood of the new return under the distribution so far.
#
# **Exercise 3.** Write `belief` for a sample of past returns: l is the share of `past` that lies within `tolerance`
# of the new return `target` (at most so far away); good news is a target that is not below the mean of `past`.


# %% tags=["exercise"]
def belief(past, target, tolerance, beta):
    """Return the weight of a new return, given the returns that the action brought before."""
    ### BEGIN SOLUTION
    if target >= past.mean():
        return 1.0
    return max(beta, np.mean(np.abs(past - target) <= tolerance))
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_10 import check_belief

check_belief(belief)

# %% [markdown]
# Row a of the fully stochastic game. With a partner who plays a it pays 10 or 12, as often; if the partner slips to
# b, 5 or -65, if to c, 8 or -8. Suppose the partner plays a, and with probability ε any of its actions.


# %%
def past_returns(epsilon, rng, plays=20_000):
    """Draw what row a of the fully stochastic game brought, while the partner explored around a."""
    columns = np.where(rng.random(plays) < epsilon, rng.integers(3, size=plays), 0)
    return games["fully stochastic"].sample(np.stack([np.zeros_like(columns), columns], axis=1), rng)


rng = np.random.default_rng(0)
pasts = {epsilon: past_returns(epsilon, rng) for epsilon in (0.05, 1.0)}
_, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for ax, (epsilon, past) in zip(axes, pasts.items(), strict=True):
    values, counted = np.unique(past, return_counts=True)
    bars = ax.bar([f"{value:g}" for value in values], counted / len(past), color="0.85", edgecolor="black")
    for bar, value in zip(bars, values, strict=True):
        bar.set_hatch("" if value in (10, 12) else "///")
    ax.bar_label(bars, [f"{share:.1%}" for share in counted / len(past)])
    ax.set(title=f"ε = {epsilon:g}, mean {past.mean():.1f}", xlabel="return of row a (hatched: the partner slipped)")
_ = axes[0].set(ylabel="share of the plays", ylim=(0, 0.58))

# %% [markdown]
# **Predict.** How much does a return of -65 count, with β = .02 and a tolerance of .5, for ε = .05 and for ε = 1? Two
# numbers.

# %%
my_weights = ...

# %%
for epsilon, past in pasts.items():
    told = [(target, chapter_10.belief(past, target, 0.5, 0.02)) for target in (12.0, 10.0, 5.0, -65.0)]
    print(f"ε = {epsilon:4g}   " + "   ".join(f"{target:g} weighs {weight:.2f}" for target, weight in told))
weights = [round(chapter_10.belief(past, -65.0, 0.5, 0.02), 2) for past in pasts.values()]
reveal(my_weights, weights, "While the partner explores, its slips are as common as luck is.")

# %% [markdown]
# **Explain.** Look at the left picture first. The slip is rare, it gets the floor β, and that saves row a: a slip is
# forgiven. The 10, the lower of the two usual draws, is common, and is believed. Now the right one: in a team that
# explores, a -65 *is* common, one play in six, and is believed with that weight. A distribution tells the common from
# the rare. It tells luck from partners only where the two differ in that: late, when exploration has nearly ended,
# and if the early slips have been forgotten by then. (With the library's `likelihood_quantile` you can try it in
# section 3: put its name into `LEARNERS`.)
#
# ## 6. Is replay harmless?
#
# A network learns from a **replay buffer**: old episodes, drawn again and again. For one agent in a world that stands
# still that only saves data. But here the world of agent 1 is agent 2, and agent 2 learns.
#
# Climbing, without noise. In the first half of 4,000 plays agent 2 played at random; then it settled on b, and
# explores with ε = .1. Agent 1 tries its rows evenly all the time. What it asks of its data is: which of my rows is
# best *against the partner that I have*?

# %%
PLAYS = 4000
at_random, settled = np.full(3, 1 / 3), np.array([0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3])
played = [rng.choice(3, size=PLAYS // 2, p=policy) for policy in (at_random, settled)]
columns, rows = np.concatenate(played), rng.integers(3, size=PLAYS)
rewards = games["deterministic"].payoff[rows, columns]


def row_means(weights):
    """Return the weighted mean reward of each row in the buffer."""
    return np.array([np.average(rewards[rows == row], weights=weights[rows == row]) for row in range(3)])


# %% [markdown]
# **Predict.** Which row has the best mean in the whole buffer, and which against the partner of now? Write two
# letters, such as `["a", "a"]`.

# %%
my_rows = ...

# %%
truth = games["deterministic"].payoff @ settled
buffer = row_means(np.ones(PLAYS))
print("row               ", "      ".join(names))
print("whole buffer    ", *(f"{value:6.1f}" for value in buffer))
print("partner of now  ", *(f"{value:6.1f}" for value in truth))
best = [names[buffer.argmax()], names[truth.argmax()]]
reveal(my_rows, best, "Half of the buffer speaks of a partner that is gone.")

# %% [markdown]
# **Explain.** Nothing in the buffer is false; it answers another question. Two remedies (Foerster et al. 2017): tell
# the network how old its data are, so that it need not mix them (a **fingerprint**: ε and the progress of training
# are two more inputs), or count each sample by how likely the others are to act so *today*. For agent a,
#
# $$w_a = \prod_{i \ne a} \frac{\pi_i^{\text{now}}(u_i)}{\pi_i^{\text{old}}(u_i)}.$$
#
# **Exercise 4.** Write `importance`, for any number of agents: `now` and `old` are arrays `[sample, agent]` with the
# probability of the action that this agent took, today and when it took it. Return one weight for each sample.


# %% tags=["exercise"]
def importance(now, old, agent):
    """Return the importance weights of the samples for one agent."""
    ### BEGIN SOLUTION
    return np.delete(now / old, agent, axis=1).prod(axis=1)
    ### END SOLUTION


# %%
from qmix_edu.exercises.chapter_10 import check_importance

check_importance(importance)

# %%
own = np.full(PLAYS, 1 / 3)
old = np.where(np.arange(PLAYS) < PLAYS // 2, at_random[columns], settled[columns])
weights = chapter_10.importance(np.stack([own, settled[columns]], axis=1), np.stack([own, old], axis=1), 0)
print("row               ", "      ".join(names))
print("weighted buffer ", *(f"{value:6.1f}" for value in row_means(weights)))
past = weights[: PLAYS // 2]
print("an old play weighs", *np.unique(past.round(2)), "depending on what agent 2 did")
print(f"{len(past)} old plays are worth {past.sum() ** 2 / (past**2).sum():.0f} fresh ones")

# %% [markdown]
# The weighted means agree with the truth, but for chance, and the right row is on top. It costs data: with unequal
# weights k samples are worth $(\sum w)^2 / \sum w^2$ equal ones. The more the partner has changed, the less remains.
#
# **Predict.** Then does importance weighting solve climbing? Here are five networks with it, beside IQL's from above
# (ten to twenty seconds). Write how many of five end in (a, a).

# %%
my_corrected = ...

# %%
corrected = [final_payoff("importance_iql", games["deterministic"], seed) for seed in range(SEEDS)]
print("IQL               ends in payoffs", *(f"{payoff:g}" for payoff in sorted(payoffs["iql", "deterministic"])))
print("weighted replay   ends in payoffs", *(f"{payoff:g}" for payoff in sorted(corrected)))
reveal(my_corrected, sum(payoff == 11 for payoff in corrected), "Fresh data mislead an independent learner, too.")

# %% [markdown]
# **Explain.** Stale data are one trouble, relative overgeneralisation is another. Go back to the last table: against
# the partner of now row b *is* best. With fresher values the teams leave (c, c): in our run four of five had gone on
# towards (b, b), for 6 or 7, and one stood between, for 0. Row a is best only with a partner who plays a, and no data
# of this partner say so. To get there somebody has to be optimistic.
#
# ## Three things people believe
#
# - *"Replay is harmless when the others learn."* In section 6 the buffer put another row on top than the partner of now
#   does, without a single false entry.
# - *"A distribution tells bad luck from bad partners."* It tells common from rare. While partners explore, their slips
#   are common.
# - *"Tune β and it works everywhere."* In the noisy game no β puts the right row on top while the partner plays at
#   random: section 2, exactly.
#
# ## What to remember
#
# - Optimism in a network is a weight on the squared TD error: 1 for good news, β for bad. It settles at an expectile.
# - With time, forgiveness must end at the end of the episode first.
# - Weight old data by how likely the others act so today; it is unbiased, and it costs data.
# - Every remedy here weighs or drops data; none lets one agent see what the other did. A central value does, and that
#   was the road of chapters 03 to 07.
# - Five seeds: none of five and five of five can be told apart, little else.
#
# **The next question.** So much for rooms of ten cells. What does a marine see? → [11 Meet
# SMAC](11_meet_smac.ipynb)
#
# ## Sources
#
# **Read on:** Foerster et al. on replay. Why is a fingerprint made of ε and the progress of training, and not of the
# others' weights?
#
# - Matignon, Laurent and Le Fort-Piat, *Hysteretic Q-learning*, IROS 2007; with networks: Omidshafiei et al., *Deep
#   decentralized multi-task multi-agent RL under partial observability*, ICML 2017.
# - Palmer, Tuyls, Bloembergen and Savani, *Lenient multi-agent deep reinforcement learning*, AAMAS 2018; Palmer, Savani
#   and Tuyls, *Negative update intervals in deep multi-agent reinforcement learning*, AAMAS 2019.
# - Lyu and Amato, *Likelihood quantile networks for coordinating multi-agent reinforcement learning*, AAMAS 2020.
# - Foerster et al., *Stabilising experience replay for deep multi-agent reinforcement learning*, ICML 2017.
# - The gridworld is our own, after Palmer et al. and Buşoniu et al. (2010); the games are of Claus and Boutilier (1998)
#   and Kapetanakis and Kudenko (2002).
# - Where the library's versions differ from the papers is written in `docs/algorithms`. All values and shares are
#   computed above.
