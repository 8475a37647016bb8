"""Measure the speed of gradient steps and of play on one core, against the bare matrix products of the same networks.

    python benchmarks/speed.py                 # all; compiling the maps of SMAX takes a minute or two the first time
    python benchmarks/speed.py 3m              # one map only

*Bound* is the CPU time of the matrix products alone that the linear layers (and GRUs) must do: forward in the online
and the target network, and backward in the online one, on tensors of the same shapes, in the same process. A share of
50 % says that a perfect implementation of the same networks would be twice as fast.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from qmix_edu import make_env
from qmix_edu.agents import GRUAgent, MLPAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner
from qmix_edu.rollout import play
from qmix_edu.settings import train_settings
from qmix_edu.types import Environment

MAPS = ("3m", "8m", "25m", "27m_vs_30m")
EPISODES = 32
SECONDS = 1.5  # of CPU for each measurement, at least

Product = tuple[Tensor, Tensor]


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call: the least of three means."""
    work()
    means = list[float]()
    for _ in range(3):
        calls, began = 0, time.process_time()
        while time.process_time() - began < SECONDS / 3:
            work()
            calls += 1
        means.append((time.process_time() - began) / calls)
    return min(means)


class Products(TorchFunctionMode):
    """Note one pair of matrices for every matrix product that the linear layers and GRUs called inside have to do."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = list[Product]()

    def add(self, rows: int, weight: Tensor, passes_on: bool, times: int = 1) -> None:
        """Note the products of a layer: forward and, where it learns, for its weights and for what is below it."""
        outputs, inputs = weight.shape
        x, w, dy = torch.randn(rows, inputs), torch.randn(inputs, outputs), torch.randn(rows, outputs)
        learns = torch.is_grad_enabled() and weight.requires_grad
        pairs = [(x, w), *([(x.T, dy)] if learns else []), *([(dy, w.T)] if learns and passes_on else [])]
        self.pairs += times * pairs

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at the call, and let it happen."""
        if func is F.linear:
            self.add(args[0].numel() // args[0].shape[-1], args[1], args[0].requires_grad)
        elif func is torch.gru:
            (steps, batch, _), (w_input, w_hidden, *_) = args[0].shape, args[2]
            self.add(batch * steps, w_input, passes_on=True)
            self.add(batch, w_hidden, passes_on=True, times=steps)
        return func(*args, **(kwargs or {}))


def bound_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the matrix products of one call of ``work``, and of nothing else."""
    with Products() as products:
        work()

    def multiply() -> None:
        for a, b in products.pairs:
            torch.mm(a, b)

    return cpu_seconds(multiply)


def remembered(learner: Learner, batch: EpisodeBatch) -> EpisodeBatch:
    """Return what a gradient step sees of the batch: with the learner's notes, by its replay rule."""
    learner.begin_round(1.0, 0)
    replay = learner.replay(learner.spec, train_settings(learner.spec.name, learner.algorithm), learner.extras)
    for _ in range(8):  # a rule that forgets some episodes needs more of them to fill a batch
        replay.add(learner.remember(batch))
    for sample in replay.batches(torch.Generator().manual_seed(0)):
        return sample
    raise ValueError("its replay keeps too few of these episodes for a batch")


def update_row(name: str, learner: Learner, batch: EpisodeBatch) -> str:
    """Measure one gradient step."""
    update = partial(learner.update, remembered(learner, batch))
    seconds, bound = cpu_seconds(update), bound_seconds(update)
    return f"| {name} | {1 / seconds:.1f} | {1000 * seconds:.1f} | {1000 * bound:.1f} | {bound / seconds:.0%} |"


def play_row(name: str, env: Environment, learner: Learner) -> str:
    """Measure play with the agents in the loop."""
    generator = torch.Generator().manual_seed(0)
    played = list[EpisodeBatch]()

    def one_round() -> None:
        played.append(play(env, learner, 0.05, generator)[0])

    bound = bound_seconds(one_round)
    played.clear()
    began = time.process_time()
    while time.process_time() - began < SECONDS:
        one_round()
    seconds = (time.process_time() - began) / len(played)
    steps = sum(int(batch.mask.sum()) for batch in played) / len(played)
    return f"| {name} | {steps / seconds:.0f} | {1000 * seconds:.0f} | {1000 * bound:.1f} | {bound / seconds:.0%} |"


def threads_row(name: str, work: Callable[[], object]) -> str:
    """Measure two torch threads against one, in turn: the median ratios of wall time and of CPU time."""
    work()
    ratios = list[tuple[float, float]]()
    for _ in range(15):
        spent = list[tuple[float, float]]()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            began, cpu_began, calls = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() - began < SECONDS / 3:
                work()
                calls += 1
            spent.append(((time.perf_counter() - began) / calls, (time.process_time() - cpu_began) / calls))
        (wall, cpu), (wall_of_two, cpu_of_two) = spent
        ratios.append((wall_of_two / wall, cpu_of_two / cpu))
    torch.set_num_threads(1)
    walls, cpus = zip(*ratios, strict=True)
    return f"| {name} | {median(walls):.2f} | {min(walls):.2f} to {max(walls):.2f} | {median(cpus):.2f} |"


def main(maps: tuple[str, ...]) -> None:
    """Print the tables in Markdown."""
    torch.set_num_threads(1)
    envs = {name: make_env(f"smax/{name}", EPISODES, seed=0) for name in maps}
    batches = {}
    for name, env in envs.items():
        batches[name], _ = play(env, ALGORITHMS["vdn"](env.spec), 1.0, torch.Generator().manual_seed(0))
        lengths = batches[name].lengths
        print(f"{name}: {EPISODES} random episodes, mean length {lengths.float().mean():.0f}, longest {lengths.max()}")
    updates = " | updates a CPU-s | ms an update | ms of products (bound) | share |\n|---|---|---|---|---|"

    ends = tuple(dict.fromkeys((maps[0], maps[-1])))
    for name in ends:
        print(f"\nGradient steps on {EPISODES} episodes of {name}, feed-forward agent:\n\n| algorithm{updates}")
        for algorithm, make in ALGORITHMS.items():
            try:
                print(update_row(algorithm, make(envs[name].spec), batches[name]), flush=True)
            except ValueError as error:  # joint_q has too many joint actions, nui forgets too many episodes
                print(f"| {algorithm} | {error} |||", flush=True)
    print(f"\nQMIX by the number of agents:\n\n| map{updates}")
    for name, env in envs.items():
        print(update_row(f"{name} ({env.spec.n_agents})", ALGORITHMS["qmix"](env.spec), batches[name]), flush=True)
    print(f"\nQMIX by the agents' network, on {maps[0]}:\n\n| network{updates}")
    for agent in (MLPAgent, GRUAgent):
        for hidden in (32, 64, 128, 256):
            learner = ALGORITHMS["qmix"](envs[maps[0]].spec, agent=partial(agent, hidden_size=hidden))
            print(update_row(f"{agent.__name__}, {hidden}", learner, batches[maps[0]]), flush=True)
    print(f"\nPlay in {EPISODES} environments side by side, agents in the loop:\n")
    print("| map | environment steps a CPU-s | ms a round | ms of products (bound) | share |\n|---|---|---|---|---|")
    for name, env in envs.items():
        print(play_row(name, env, ALGORITHMS["qmix"](env.spec)), flush=True)
    print("\nQMIX with two torch threads, as a ratio to one:\n")
    print("| map and phase | wall time | least to most | CPU time |\n|---|---|---|---|")
    for name in ends:
        acting = partial(play, envs[name], ALGORITHMS["qmix"](envs[name].spec), 0.05, torch.Generator())
        print(threads_row(f"{name}, play", acting), flush=True)
        for agent in (MLPAgent, GRUAgent):
            learner = ALGORITHMS["qmix"](envs[name].spec, agent=agent)
            work = partial(learner.update, remembered(learner, batches[name]))
            print(threads_row(f"{name}, gradient step, {agent.__name__}", work), flush=True)


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(MAPS):
        sys.exit(f"There is no {', '.join(unknown)} here; choose from {', '.join(MAPS)}.")
    main(tuple(sys.argv[1:]) or MAPS)
