"""Training: rounds of play and gradient steps, as a generator of metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from qmix_edu.evaluate import MAX_ABORTED_ROUNDS, evaluate
from qmix_edu.learner import Learner
from qmix_edu.rollout import play
from qmix_edu.settings import TrainSettings, train_settings
from qmix_edu.types import Environment, EnvironmentFailedError

Metrics = dict[str, float | int | None]


def train(
    env: Environment, learner: Learner, steps: int, *, settings: TrainSettings | None = None, seed: int = 0
) -> Iterator[Metrics]:
    """Train ``learner`` until ``steps`` environment steps are done; yield metrics at every log point.

    Interrupting the loop loses nothing that was learnt: the learner is changed in place.

    ``env_steps``, ``updates``, ``episodes``
        environment steps (of one environment each), gradient steps and episodes so far
    ``cpu_seconds``
        processor time of play and gradient steps, without evaluation
    ``loss``, ``gradient_norm``, ``q_mean``
        masked TD loss, norm before clipping and mean value of the last gradient step (None before the first)
    ``epsilon``, ``train_return``
        exploration rate and mean return of the last round
    ``win_rate``, ``mean_return``, ``eval_episodes``
        greedy play, at evaluations only; ``win_rate`` is None where nothing can be won
    """
    training = Training(env, learner, settings or train_settings(env.spec.name, learner.algorithm), seed)
    return training.run(steps)


class Training:
    """Everything that changes while training; what a resumed run has to have again."""

    def __init__(self, env: Environment, learner: Learner, settings: TrainSettings, seed: int = 0):
        self.env, self.learner, self.settings = env, learner, settings
        self.replay = learner.replay(env.spec, settings, learner.extras)
        self.generator = torch.Generator().manual_seed(seed)
        self.env_steps = self.episodes = self.empty_rounds = 0
        self.cpu_seconds = 0.0
        self.stop_requested = False

    def run(self, steps: int) -> Iterator[Metrics]:
        """Train up to ``steps`` environment steps in all, or until ``stop_requested`` is set."""
        if steps < 1:
            raise ValueError(f"Asked for {steps} environment steps; 1 is the least.")
        while self.env_steps < steps and not self.stop_requested:
            before = self.env_steps
            metrics = self.round()
            last = self.env_steps >= steps
            evaluates = last or _passed(self.settings.eval_interval, before, self.env_steps)
            if evaluates:
                metrics |= self.evaluate()
            if evaluates or _passed(self.settings.log_interval, before, self.env_steps):
                yield metrics

    def round(self) -> Metrics:
        """Play one episode in every environment, then take the gradient steps that go with it."""
        began = time.process_time()
        epsilon = self.settings.epsilon(self.env_steps)
        self.learner.begin_round(epsilon, self.env_steps)
        batch, _ = play(self.env, self.learner, epsilon, self.generator)
        self._count(len(batch), int(batch.mask.sum()))
        if len(batch) > 0:
            self.replay.add(self.learner.remember(batch))
        update_metrics: Metrics = {"loss": None, "gradient_norm": None, "q_mean": None}
        for sample in self.replay.batches(self.generator):
            update_metrics |= self.learner.update(sample)
        self.cpu_seconds += time.process_time() - began
        return {
            "env_steps": self.env_steps,
            "updates": self.learner.updates,
            "episodes": self.episodes,
            "cpu_seconds": round(self.cpu_seconds, 3),
            **update_metrics,
            "epsilon": epsilon,
            "train_return": batch.returns.mean().item() if len(batch) > 0 else None,
        }

    def _count(self, episodes: int, env_steps: int) -> None:
        self.empty_rounds = 0 if episodes > 0 else self.empty_rounds + 1
        if self.empty_rounds == MAX_ABORTED_ROUNDS:
            raise EnvironmentFailedError(
                f"{self.env.spec.name} aborted every episode of {self.empty_rounds} rounds in a row; "
                "see that it runs, then resume."
            )
        self.episodes += episodes
        self.env_steps += env_steps

    def evaluate(self) -> Metrics:
        """Play greedily; the randomness of the training is put back afterwards, so evaluating changes nothing."""
        before = self.env.rng_state()
        metrics = evaluate(self.env, self.learner, self.settings.eval_episodes)
        self.env.set_rng_state(before)
        return dict(metrics)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes, except the episodes kept, which are saved in pieces."""
        return {
            "learner": self.learner.state_dict(),
            "generator": self.generator.get_state(),
            "env": self.env.rng_state(),
            "replay": self.replay.state_dict(),
            "counters": {
                "env_steps": self.env_steps,
                "episodes": self.episodes,
                "cpu_seconds": self.cpu_seconds,
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        self.learner.load_state_dict(state["learner"])
        self.generator.set_state(state["generator"])
        self.env.set_rng_state(state["env"])
        self.replay.load_state_dict(state["replay"])
        for name, value in state["counters"].items():
            setattr(self, name, value)


def _passed(interval: int, before: int, now: int) -> bool:
    return before // interval < now // interval
