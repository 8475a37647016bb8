"""Checks of chapter 09: from DQN to many agents; and a small batch to test a loss with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framework import Misconception, check, diagnose, same, wrong

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
CHAPTER = "09_from_dqn_to_many_agents"


# --- a small batch ---------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class SmallBatch:
    """What a loss of chapter 09 is given: episodes padded to T steps and T + 1 observations, in numpy.

    ``online`` and ``target`` are the utilities of the two networks, ``[b, t+1, n, a]``, and ``avail`` says which
    actions there are; after the end of the task, and in the padding, there is none. ``state`` ``[b, t+1, n]`` goes
    into the mixer. ``actions`` ``[b, t, n]``, ``reward``, ``terminated``, ``truncated`` and ``mask`` ``[b, t]``
    belong to the steps. The padding holds arbitrary numbers.
    """

    online: Array
    target: Array
    avail: Flags
    state: Array
    actions: NDArray[np.int64]
    reward: Array
    terminated: Array
    truncated: Array
    mask: Array

    def __repr__(self) -> str:
        return f"a batch of {len(self.mask)} episodes"


def small_batch(seed: int = 0) -> SmallBatch:
    """Draw four episodes of up to five steps; two terminate and two are cut, one of each before the last step."""
    rng = np.random.default_rng(seed)
    lengths, ends = np.array([2, 3, 5, 5]), np.array([True, False, True, False])
    b, t, n, a = 4, 5, 2, 3
    steps = np.arange(t)
    last = steps == lengths[:, None] - 1
    avail = rng.random((b, t + 1, n, a)) < 0.6
    avail[..., 0] |= ~avail.any(axis=-1)  # somebody can always do something
    avail &= (np.arange(t + 1) < (lengths + ~ends)[:, None])[..., None, None]
    return SmallBatch(
        online=rng.normal(size=(b, t + 1, n, a)),
        target=rng.normal(size=(b, t + 1, n, a)),
        avail=avail,
        state=rng.uniform(0.5, 2, size=(b, t + 1, n)),
        actions=np.where(avail[:, :-1], rng.random((b, t, n, a)), -1).argmax(axis=-1),
        reward=rng.normal(size=(b, t)),
        terminated=(last & ends[:, None]).astype(float),
        truncated=(last & ~ends[:, None]).astype(float),
        mask=(steps < lengths[:, None]).astype(float),
    )


def greedy(online: Array, avail: Flags) -> NDArray[np.int64]:
    """Every agent's best available action, ``[..., n]``."""
    return np.where(avail, online, -np.inf).argmax(axis=-1)


def take(utilities: Array, actions: NDArray[np.int64]) -> Array:
    """The utilities of these actions, ``[..., n]``."""
    return np.take_along_axis(utilities, actions[..., None], axis=-1)[..., 0]


def mix(q: Array, state: Array) -> Array:
    """A monotone mixer whose weights are the state, ``Q_tot = sum_a |s_a| Q_a``."""
    return (np.abs(state) * q).sum(axis=-1)


# --- what a loss must not read, and what it must ---------------------------------------------------------

Loss = Callable[[SmallBatch, float], float]
GAMMA = 0.9
BUGS = (
    "a flag off by one",
    "the mask leaks into values",
    "this state instead of the next",
    "averaged over the padding",
    "truncation taken for termination",
)


def loss_with(bug: str | None) -> Loss:
    """Return the TD loss of double Q-learning with one of ``BUGS``, or the right one for None.

    Raises:
        ValueError: there is no such bug.
    """
    if bug is not None and bug not in BUGS:
        raise ValueError(f"no bug is called {bug!r}; expected one of {BUGS}, or None.")

    def loss(batch: SmallBatch, gamma: float) -> float:
        utilities = np.where(batch.avail, batch.target, -np.inf) if bug == BUGS[1] else batch.target
        state = batch.state[:, :-1] if bug == BUGS[2] else batch.state[:, 1:]
        over = batch.terminated + batch.truncated if bug == BUGS[4] else batch.terminated
        if bug == BUGS[0]:
            over = np.pad(over[:, :-1], ((0, 0), (1, 0)))
        value = mix(take(utilities, greedy(batch.online, batch.avail))[:, 1:], state)
        with np.errstate(invalid="ignore"):  # 0 times infinity: the point of the second bug
            target = batch.reward + gamma * (1 - over) * value
            error = target - mix(take(batch.online[:, :-1], batch.actions), batch.state[:, :-1])
            squares = batch.mask * error**2
        return float(squares.mean() if bug == BUGS[3] else squares.sum() / batch.mask.sum())

    return loss


def _last_observation(batch: SmallBatch, flag: Array) -> Flags:
    """The observations that follow a step with this flag, [b, t+1]."""
    return np.pad(flag, ((0, 0), (1, 0))) > 0


def _longer(batch: SmallBatch) -> SmallBatch:
    """Two more padded steps, filled as the padding is: with anything."""
    added: dict[str, Any] = {}
    for name, values in vars(batch).items():
        old = np.asarray(values)
        real = name in ("mask", "terminated", "truncated", "avail", "actions")
        added[name] = np.concatenate([old, np.zeros_like(old[:, :2]) if real else old[:, :2] + 3], axis=1)
    return replace(batch, **added)


def _other_padding(batch: SmallBatch) -> SmallBatch:
    unseen = unread(batch.mask, batch.terminated) & ~_last_observation(batch, batch.terminated)
    return replace(
        _other_values(batch, unseen),
        reward=batch.reward + 5 * (1 - batch.mask),
        state=batch.state + 2 * unseen[..., None],
    )


def _other_values(batch: SmallBatch, where: Flags) -> SmallBatch:
    """Other utilities at these observations [b, t+1]."""
    shift = 4 * where[..., None, None]
    return replace(batch, online=batch.online + shift, target=batch.target + shift)


def _other_unavailable(batch: SmallBatch) -> SmallBatch:
    """Unavailable actions look excellent, at every observation at which somebody can act."""
    shift = 50 * (~batch.avail & batch.avail.any(axis=-1, keepdims=True))
    return replace(batch, online=batch.online + shift, target=batch.target + shift)


def _other_next_state(batch: SmallBatch) -> SmallBatch:
    return replace(batch, state=batch.state + 2 * _last_observation(batch, batch.truncated)[..., None])


# (what is changed, must the loss change?, how)
_CHANGES: tuple[tuple[str, bool, Callable[[SmallBatch], SmallBatch]], ...] = (
    ("two more padded steps", False, _longer),
    ("other numbers in the padding", False, _other_padding),
    ("other values after a termination", False, lambda b: _other_values(b, _last_observation(b, b.terminated))),
    ("other values of unavailable actions", False, _other_unavailable),
    ("other values after a time limit", True, lambda b: _other_values(b, _last_observation(b, b.truncated))),
    ("another state after a time limit", True, _other_next_state),
)


def failures(loss: Loss, seed: int = 0) -> list[str]:
    """Return the names of the tests that a loss fails on a small batch: finite first, then six changes of the batch.

    Four of the changes must leave the loss as it is, and two must not.
    """
    batch = small_batch(seed)
    before = float(loss(batch, GAMMA))
    failed = [] if np.isfinite(before) else ["a finite number"]
    for name, must_change, change in _CHANGES:
        after = float(loss(change(batch), GAMMA))
        changed = not np.isclose(after, before, rtol=1e-9, atol=1e-12, equal_nan=True)
        failed += [name] if changed != must_change else []
    return failed


# --- td_target -------------------------------------------------------------------------------------------


def _mask(terminated: Array, truncated: Array) -> Flags:
    """Steps up to the end of their episode, that one included."""
    over = np.cumsum(terminated + truncated, axis=1)
    return np.pad(over[:, :-1], ((0, 0), (1, 0))) == 0


def _on_real_steps(model: Callable[..., Array]) -> Callable[..., Array]:
    """NaN stands where any answer will do: in the padding."""

    def judged(reward: Array, terminated: Array, truncated: Array, values: Array, gamma: float) -> Array:
        answer = model(reward, terminated, truncated, values, gamma)
        return np.where(_mask(terminated, truncated), answer, np.nan)

    return judged


def _agree_where_it_counts(answer: Any, right: Any) -> bool:
    """Whether two arrays agree wherever the second is not NaN."""
    expected = np.asarray(right, dtype=float)
    try:
        got = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        return False
    counts = ~np.isnan(expected)
    return got.shape == expected.shape and same(got[counts], expected[counts])


def _td_cases() -> list[tuple[Array, Array, Array, Array, float]]:
    by_hand = [
        # terminated after two steps; cut after two; a step, the end, padding
        ([[1, 2]], [[0, 1]], [[0, 0]], [[10, 20, 30]], 0.5),
        ([[1, 2]], [[0, 0]], [[0, 1]], [[10, 20, 30]], 0.5),
        ([[1, 2, 0]], [[0, 1, 0]], [[0, 0, 0]], [[10, 20, 30, 40]], 0.5),
        ([[1, 2, 0]], [[0, 0, 0]], [[0, 1, 0]], [[10, 20, 30, 40]], 0.5),
    ]
    cases = [(*(np.array(part, dtype=float) for part in case[:4]), case[4]) for case in by_hand]
    rng = np.random.default_rng(9)
    for gamma in (0.9, 0.99):
        lengths, ends = rng.integers(1, 7, size=8), rng.random(8) < 0.5
        last = np.arange(6) == lengths[:, None] - 1
        reward, values = rng.integers(-9, 10, size=(8, 6)), rng.integers(-9, 10, size=(8, 7))
        flags = ((last & ends[:, None]).astype(float), (last & ~ends[:, None]).astype(float))
        cases.append((reward.astype(float), *flags, values.astype(float), gamma))
    return cases  # pyright: ignore[reportReturnType]


def td_target(reward: Array, terminated: Array, truncated: Array, values: Array, gamma: float) -> Array:
    """``y_t = r_t + gamma (1 - terminated_t) V_{t+1}``: all [b, t], ``values`` [b, t+1]."""
    return reward + gamma * (1 - terminated) * values[:, 1:]


@check(
    CHAPTER,
    hints=(
        "Which column of `values` belongs to the observation *after* step t? And which of the two flags says that "
        "nothing follows?",
        "`values[:, 1:]` are the next values. Only a termination switches them off: multiply them by "
        "`1 - terminated`. `truncated` is not needed.",
        "Rewards [1, 2], values [10, 20, 30], γ = 0.5: a terminated episode has targets [11, 2], a truncated one "
        "[11, 17]. What you write into the padding does not matter.",
    ),
)
def check_td_target(answer: Any) -> str:
    """The one-step target of a padded batch, for terminated, truncated and padded steps."""

    def model(name: str, sentence: str, answers: Callable[..., Array], hint: int = 1) -> Misconception:
        return Misconception(name, sentence, _on_real_steps(answers), hint)

    diagnose(
        answer,
        _td_cases(),
        right=_on_real_steps(td_target),
        agree=_agree_where_it_counts,
        misconceptions=[
            model(
                "truncation taken for termination",
                "a time limit cuts the episode, and the task would have gone on: its last step bootstraps.",
                lambda r, end, cut, v, g: r + g * (1 - end - cut) * v[:, 1:],
            ),
            model(
                "only the time limit stops it",
                "you switched the next value off where the episode was *cut*; it is the terminated step that has none.",
                lambda r, end, cut, v, g: r + g * (1 - cut) * v[:, 1:],
            ),
            model(
                "this value instead of the next",
                "the target of step t looks at the observation *after* it, `values[:, 1:]`.",
                lambda r, end, cut, v, g: r + g * (1 - end) * v[:, :-1],
                hint=2,
            ),
            model(
                "the end is lost",
                "your targets look past a termination. Did you use the flag, and the one of the step itself? The flag "
                "of the step *before* falls on the padding, where it does nothing.",
                lambda r, end, cut, v, g: r + g * v[:, 1:],
            ),
            model(
                "gamma is missing",
                "what comes a step later is discounted by γ.",
                lambda r, end, cut, v, g: r + (1 - end) * v[:, 1:],
            ),
            model(
                "the last reward is lost",
                "a termination switches the *next value* off, not the reward of the step itself.",
                lambda r, end, cut, v, g: (1 - end) * (r + g * v[:, 1:]),
                hint=2,
            ),
            model(
                "gamma on the reward",
                "today's reward is paid today; γ belongs to the next value only.",
                lambda r, end, cut, v, g: g * (r + (1 - end) * v[:, 1:]),
            ),
        ],
    )
    return "it stops where the task ends, and nowhere else."


# --- double Q --------------------------------------------------------------------------------------------


def double_q_value(online: Array, target: Array, avail: Flags) -> Array:
    """What the target network says of the action that the online network likes best."""
    return take(target, greedy(online, avail))


def _greedy_of(scores: Array) -> NDArray[np.int64]:
    return scores.argmax(axis=-1)


@check(
    CHAPTER,
    hints=(
        "Two steps: *which* action (one network), then *what it is worth* (the other).",
        "`np.where(avail, online, -np.inf).argmax(axis=-1)` chooses. Then read the untouched `target` at these "
        "actions: `np.take_along_axis(target, chosen[..., None], axis=-1)[..., 0]`.",
        "online [1, 5, 3], target [7, 8, 9], action 1 unavailable: the answer is 9. With everything available it is 8.",
    ),
)
def check_double_q_value(answer: Any) -> str:
    """Selection by the online network among available actions, evaluation by the target network."""
    rng = np.random.default_rng(2)
    cases = [(np.array([[1.0, 5, 3]]), np.array([[7.0, 8, 9]]), np.array([[True, False, True]]))]
    for shift in (0, -20, -20):  # where all utilities are negative a zero would win
        avail = rng.random((4, 3, 5)) < 0.5
        avail[..., 0] |= ~avail.any(axis=-1)
        online, target = rng.integers(-9, 10, size=(2, 4, 3, 5)) + float(shift)
        cases.append((online, target, avail))

    diagnose(
        answer,
        cases,
        right=double_q_value,
        misconceptions=[
            Misconception(
                "the mask is forgotten",
                "the action that you chose may not be available.",
                lambda online, target, avail: take(target, _greedy_of(online)),
            ),
            Misconception(
                "zero for unavailable actions",
                "times 0 makes an unavailable action worth 0, and 0 beats every negative utility; use -inf.",
                lambda online, target, avail: take(target, _greedy_of(online * avail)),
                hint=2,
            ),
            Misconception(
                "the networks are swapped",
                "the *online* network chooses, the *target* network says what the choice is worth.",
                lambda online, target, avail: take(online, greedy(target, avail)),
            ),
            Misconception(
                "one network does both: the target",
                "a network that chooses and values at once takes its own luck for skill; choose with `online`.",
                lambda online, target, avail: take(target, greedy(target, avail)),
            ),
            Misconception(
                "one network does both: the online",
                "the value has to come from the target network.",
                lambda online, target, avail: take(online, greedy(online, avail)),
            ),
            Misconception(
                "the action, not its value",
                "this is the number of the chosen action; look its value up in `target`.",
                lambda online, target, avail: greedy(online, avail),
                hint=2,
            ),
        ],
    )
    online, target, nobody = np.ones((1, 1, 3)), np.array([[[4.0, 5, 6]]]), np.zeros((1, 1, 3), dtype=bool)
    if not np.isfinite(np.asarray(answer(online, target, nobody), dtype=float)).all():
        wrong(
            "the mask leaks into values",
            "at a padded step no action is available, and there your value is not a finite number: -inf belongs into "
            "the choice only.",
            hint=2,
        )
    return "-inf stays inside the max; what comes out is a value of the target network."


# --- the loss --------------------------------------------------------------------------------------------


@check(
    CHAPTER,
    hints=(
        "How many errors are there really?",
        "Multiply the squared errors by the mask, add them up, and divide by the sum of the mask.",
        "Targets [[1, 2], [3, 0]], values zero, mask [[1, 1], [1, 0]]: (1 + 4 + 9) / 3 = 4.667.",
    ),
)
def check_masked_loss(answer: Any) -> str:
    """The mean squared error over the steps that really happened."""
    rng = np.random.default_rng(4)
    cases = [(np.array([[1.0, 2], [3, 0]]), np.zeros((2, 2)), np.array([[1.0, 1], [1, 0]]))]
    for b, t in ((3, 4), (5, 6), (2, 7)):
        lengths = rng.integers(1, t, size=b)
        lengths[0] = t
        mask = (np.arange(t) < lengths[:, None]).astype(float)
        cases.append((rng.normal(size=(b, t)) * 3, rng.normal(size=(b, t)), mask))

    diagnose(
        answer,
        cases,
        right=lambda y, q, mask: (mask * (y - q) ** 2).sum() / mask.sum(),
        misconceptions=[
            Misconception(
                "averaged over the padding",
                "you divide by all cells; a batch with more padding would have a smaller loss, and smaller steps.",
                lambda y, q, mask: (mask * (y - q) ** 2).mean(),
            ),
            Misconception(
                "the mask is forgotten",
                "errors of padded steps are in your mean.",
                lambda y, q, mask: ((y - q) ** 2).mean(),
            ),
            Misconception(
                "only the target is masked",
                "in the padding 0 minus the value is still an error; mask the *error*.",
                lambda y, q, mask: ((mask * y - q) ** 2).sum() / mask.sum(),
                hint=2,
            ),
            Misconception(
                "a mean of means",
                "you averaged each episode first, so a step of a short episode counts more than one of a long episode.",
                lambda y, q, mask: ((mask * (y - q) ** 2).sum(axis=1) / mask.sum(axis=1)).mean(),
            ),
            Misconception(
                "a sum",
                "divide by the number of real steps, or a longer batch takes a longer step.",
                lambda y, q, mask: (mask * (y - q) ** 2).sum(),
            ),
            Misconception(
                "not squared",
                "square the errors before you add them; else they cancel.",
                lambda y, q, mask: (mask * (y - q)).sum() / mask.sum(),
            ),
        ],
    )
    return "every real step counts alike, and no other one counts."


# --- what is read ----------------------------------------------------------------------------------------


def unread(mask: Array, terminated: Array) -> Flags:
    """The observations that no target and no value of a real step looks at: mask [b, t] gives [b, t+1]."""
    acts = np.pad(mask, ((0, 0), (0, 1)))
    follows = np.pad(mask * (1 - terminated), ((0, 0), (1, 0)))
    return (acts + follows) == 0


@check(
    CHAPTER,
    hints=(
        "An observation is read for two reasons: somebody acts at it in a real step, or the target of the step before "
        "bootstraps from it.",
        "`np.pad(mask, ((0, 0), (0, 1)))` says where somebody acts. For the other reason move `mask * (1 - "
        "terminated)` one place to the right, with a zero in front. Neither: unread.",
        "mask [1, 1, 0] has four observations. Terminated at step 1: [False, False, True, True]. Cut there by a time "
        "limit: [False, False, False, True].",
    ),
)
def check_unread(answer: Any) -> str:
    """Which observations of a padded batch can change without any effect."""
    cases = [(np.array([[1.0, 1, 0]]), np.array([[0.0, end, 0]])) for end in (1, 0)]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        lengths, ends = rng.integers(1, 6, size=6), rng.random(6) < 0.5
        lengths[:2], ends[:2] = 5, (True, False)
        last = np.arange(5) == lengths[:, None] - 1
        cases.append(((np.arange(5) < lengths[:, None]).astype(float), (last & ends[:, None]).astype(float)))

    def flags(student: Any, right: Any) -> bool:
        got = np.asarray(student)
        return got.shape == right.shape and same(got.astype(float), right.astype(float))

    diagnose(
        answer,
        cases,
        right=unread,
        agree=flags,
        misconceptions=[
            Misconception(
                "the observation after a time limit",
                "you call it unread, but the target of a step that a time limit cut bootstraps from it.",
                lambda mask, end: np.pad(mask, ((0, 0), (0, 1))) == 0,
            ),
            Misconception(
                "the observation after a termination",
                "you call it read, but nothing follows a termination: no target looks at it.",
                lambda mask, end: np.pad(mask, ((0, 0), (1, 0)), constant_values=1) == 0,
            ),
            Misconception(
                "the wrong way round",
                "your answer is True where the observation *is* read.",
                lambda mask, end: ~unread(mask, end),
            ),
            Misconception(
                "steps, not observations",
                "an episode of t steps has t + 1 observations; your answer has one column for each step.",
                lambda mask, end: mask == 0,
            ),
            Misconception(
                "only the end itself",
                "the padding that follows is not read either.",
                lambda mask, end: np.pad(end, ((0, 0), (1, 0))) == 1,
            ),
        ],
    )
    return "a right loss does not notice if these are overwritten."


# --- five bugs -------------------------------------------------------------------------------------------

# which bug a failed test gives away, in the order in which they are looked for
_GIVEN_AWAY = (
    ("a finite number", BUGS[1], "the loss is not a finite number: 0 times -inf is nan, and no mask removes it."),
    ("two more padded steps", BUGS[3], "two more padded steps changed the loss; nothing happened in them."),
    (
        "other numbers in the padding",
        "the padding is read",
        "other numbers in the padding changed the loss.",
    ),
    (
        "other values after a termination",
        BUGS[0],
        "other values *after a termination* changed the loss, so a target looks past the end of its task.",
    ),
    (
        "other values of unavailable actions",
        "an unavailable action is chosen",
        "the loss changed with the values of actions that nobody can take.",
    ),
    (
        "other values after a time limit",
        BUGS[4],
        "other values after a *time limit* left the loss as it was, though the step before should bootstrap there.",
    ),
    (
        "another state after a time limit",
        BUGS[2],
        "another *state* at the observation after a time limit left the loss as it was: the target mixer does not "
        "see it.",
    ),
)


@check(
    CHAPTER,
    hints=(
        "Go through the code line by line with the picture of the batch beside it. Ask of each array: which "
        "observation, which step?",
        "-inf only inside `greedy`; next values with the next states, `batch.state[:, 1:]`; the flag `terminated` of "
        "the step itself, not moved, not joined with `truncated`; divide by `batch.mask.sum()`.",
        "On `small_batch(0)` with γ = 0.9 the right loss is "
        f"{loss_with(None)(small_batch(0), GAMMA):.4f}, and it fails no test.",
    ),
)
def check_repaired_loss(answer: Any) -> str:
    """A loss that reads what it should, and nothing else."""

    def student(batch: SmallBatch, gamma: float) -> float:
        value = np.asarray(answer(batch, gamma), dtype=float)
        if value.shape != ():
            wrong("not a number", f"the loss of a batch is one number; yours has shape {value.shape}.")
        return float(value)

    with np.errstate(invalid="ignore"):  # the bugs may well multiply 0 by infinity
        failed = failures(student)
        for test, bug, sentence in _GIVEN_AWAY:
            if test in failed:
                left = f" ({len(failed)} of 7 tests fail.)" if len(failed) > 1 else ""
                wrong(bug, sentence + left)
        right = loss_with(None)
        for seed, gamma in ((1, GAMMA), (2, 0.5), (3, 0.0)):
            batch = small_batch(seed)
            got, expected = student(batch, gamma), right(batch, gamma)
            if not same(got, expected):
                wrong(
                    "not yet",
                    f"all seven tests pass, but for small_batch({seed}) and γ = {gamma} the loss is {got:.4f}; it "
                    f"should be {expected:.4f}. Compare with y = r + γ (1 - terminated) V.",
                )
    return "seven tests pass, and the number is right."
