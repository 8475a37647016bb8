"""Play: one episode in every copy of an environment."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner
from qmix_edu.scripted import ScriptedTeam
from qmix_edu.types import Environment, EnvironmentFailedError, Observation

PATIENCE_SECONDS = 900.0  # how long an environment may take over a reset or a step; compiling takes a minute or two


def play(
    env: Environment,
    learner: Learner | ScriptedTeam,
    epsilon: float | None,
    generator: torch.Generator,
    watch: Callable[[Observation, Tensor, Tensor], None] | None = None,
) -> tuple[EpisodeBatch, Tensor]:
    """Play one episode in every copy; return the episodes that were not aborted, and whether each was won [b].

    ``epsilon`` is what the learner explores with; with None everyone takes its best action.
    ``watch(observation, utilities, actions)`` is called before every step; a battle is drawn with it.

    Raises ValueError where the learner was made for an environment of other sizes, and EnvironmentFailedError where
    the environment returned a number that is not finite, or hangs in Python or in a system call. What hangs inside C
    code, on Windows or outside the main thread is not ended here; a sweep in processes of this machine kills it.
    """
    spec = env.spec
    if spec.sizes != learner.spec.sizes:
        raise ValueError(
            f"The learner was made for {learner.spec.name} (agents, actions, observation, state: {learner.spec.sizes}) "
            f"and cannot play {spec.name} {spec.sizes}; make it from that environment's spec."
        )
    with _patience(f"{spec.name} does not return from reset"):
        seen = env.reset()
    observations, actions_taken, transitions = [seen], list[Tensor](), list[Tensor]()
    last_actions = torch.full((spec.n_envs, spec.n_agents), spec.n_actions)
    alive = torch.ones(spec.n_envs, 1, dtype=torch.bool)
    won, aborted = torch.zeros_like(alive), torch.zeros_like(alive)
    refuse_not_finite(spec.name, 0, seen, torch.zeros(spec.n_envs, 1), aborted)
    hidden: Tensor | None = None
    while alive.any():
        utilities, hidden = learner.utilities(seen.obs, last_actions, hidden)
        if epsilon is None:
            actions = learner.greedy(utilities, seen.avail_actions)
        else:
            actions = learner.choose(utilities, seen.avail_actions, epsilon, generator)
        if watch is not None:
            watch(seen, utilities, actions)
        with _patience(f"{spec.name} does not return from step {len(transitions) + 1}"):
            transition = env.step(actions)
        transitions.append(
            torch.stack([transition.reward, transition.terminated.float(), alive.float()])  # [3, e, 1]
        )
        won, aborted = won | transition.won, aborted | transition.aborted
        alive = alive & ~(transition.terminated | transition.truncated | transition.aborted)
        seen, last_actions = transition.observation, actions
        refuse_not_finite(spec.name, len(transitions), seen, transition.reward, aborted)
        if aborted.any():  # the learner still acts in a copy that was lost, and must not trip over what that shows
            seen = replace(seen, obs=seen.obs.masked_fill(aborted.unsqueeze(-1), 0.0))
        observations.append(seen)
        actions_taken.append(actions)
    reward, terminated, mask = torch.stack(transitions, dim=2).unbind(dim=0)  # each [e, t, 1]
    episodes = EpisodeBatch(
        actions=torch.stack(actions_taken, dim=1),
        reward=reward,
        terminated=terminated,
        mask=mask,
        obs=torch.stack([o.obs for o in observations], dim=1),
        state=torch.stack([o.state for o in observations], dim=1),
        avail_actions=torch.stack([o.avail_actions for o in observations], dim=1),
    )
    kept = ~aborted.squeeze(1)
    return (episodes if kept.all() else episodes.select(kept)), won.squeeze(1)[kept]


@contextmanager
def _patience(what: str) -> Generator[None]:
    """End what hangs in Python or in a system call; needs an alarm clock (not Windows) and the main thread.

    Python hears the alarm between two of its own instructions: C code that never returns is not ended.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        raise EnvironmentFailedError(
            f"{what} within {PATIENCE_SECONDS:g} s; mend the environment, then go on from what was saved."
        )

    handler, began = signal.signal(signal.SIGALRM, give_up), time.monotonic()
    others, _ = signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)  # somebody else's alarm rings a little later
    try:
        yield
    finally:
        left = max(others - (time.monotonic() - began), 1e-3) if others > 0 else 0.0
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, handler)


def refuse_not_finite(name: str, step: int, seen: Observation, reward: Tensor, aborted: Tensor) -> None:
    """Name a number that is NaN or infinite: nobody may act on it, and nothing may be learnt from it."""
    parts = (("reward", reward), ("observation of agent {}", seen.obs), ("state", seen.state))
    if math.isfinite(sum(values.sum().item() for _, values in parts)):  # as no sum is with such a term; cheap
        return
    for what, values in parts:
        wrong = ~(values.isfinite() | aborted.view(-1, *(1,) * (values.ndim - 1)))
        if wrong.any():
            env, *place = wrong.nonzero()[0].tolist()
            moment = f"after step {step}" if step else "at reset"
            raise EnvironmentFailedError(
                f"{name} returned {float(values[env][tuple(place)])} as the {what.format(place[0])} {moment} of "
                f"environment {env}; mend the environment, then go on from what was saved."
            )
