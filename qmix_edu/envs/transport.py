"""A transport gridworld: grasp goods from both sides, carry them to a bay, and agree how to set them down."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from matrix_games import catalogue
from qmix_edu.envs.small import numpy_state, refuse_unavailable, set_numpy_state
from qmix_edu.types import EnvSpec, Observation, Transition

WIDTH, HEIGHT, LIMIT = 5, 2, 20
STAY, NORTH, SOUTH, WEST, EAST = range(5)
_MOVES = torch.tensor([[0, 0], [0, 1], [0, -1], [-1, 0], [1, 0]])  # (x, y) of each action
_PAYOFF_ACTION = torch.tensor([-1, 1, -1, 2, 0])  # how an action in the bay plays the climbing game: east is its "a"
_CELLS = WIDTH * HEIGHT
GAMES = {
    "deterministic": "climbing",
    "partially-stochastic": "climbing-partially-stochastic",
    "fully-stochastic": "climbing-fully-stochastic",
}


class TransportGridworld:
    """Grasp, carry, and agree: nothing is paid before the end, and the end pays as the climbing game does.

    A room of 5 x 2 cells::

        y = 1   . . . . .     the bay
        y = 0   1 . g . 2     agents 1 and 2, goods g

    *Grasp.* An agent beside the goods (to their west or east) holds them and can only stay until the other one holds
    them too. *Carry.* From then on nobody stays, and the three move together if both choose the same direction. *Set
    down.* In the bay west, north and east no longer move: when both agents choose one of them, each its own, the goods
    are down and the episode ends with a reward of the climbing game, in which east is the action a, north b and west c.
    If one goes south nothing happens, if both do they carry the goods back.

    The three variants differ in that game alone: ``deterministic`` pays its means, ``partially-stochastic`` 14 or 0
    instead of 7 for (b, b), ``fully-stochastic`` one of two outcomes everywhere. The best expected return is 11 in
    each, after at least 3 steps; the walls close actions, and after 20 steps the time limit truncates with nothing
    paid. An agent's observation holds its own cell, the other's and that of the goods, one-hot, and who holds them; the
    state is agent 1's observation.

    Source: our own, after the coordinated transport problem of Palmer et al. (2018) and its tabular ancestor in
    Buşoniu et al. (2010); payoffs of Claus and Boutilier (1998) and Kapetanakis and Kudenko (2002).
    Differs from: Palmer et al., where the goods reach one of several zones together, so that the zones alone are no
    climbing game; there a room of 16 x 16 is seen as an image, here positions are told.
    """

    def __init__(self, variant: str, n_envs: int = 1, seed: int = 0):
        self.game = catalogue[GAMES[variant]]
        self._rng = np.random.default_rng(seed)
        size = 3 * _CELLS + 2
        self.spec = EnvSpec(f"gridworld/{variant}", n_envs, 2, 5, size, size, episode_limit=LIMIT)
        self._begin()
        self._over = torch.ones(n_envs, dtype=torch.bool)

    def _begin(self) -> None:
        e = self.spec.n_envs
        self._agents = torch.tensor([[0, 0], [WIDTH - 1, 0]]).repeat(e, 1, 1)  # [e, n, xy]
        self._goods = torch.tensor([WIDTH // 2, 0]).repeat(e, 1)  # [e, xy]
        self._over = torch.zeros(e, dtype=torch.bool)
        self._time = 0

    def reset(self) -> Observation:
        """Begin an episode in every copy."""
        self._begin()
        return self._observe()

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Move every agent once, or set the goods down and pay for it."""
        refuse_unavailable(actions, self._available() | self._over[:, None, None])
        playing = ~self._over
        both = self._holds().all(dim=1)
        in_bay = both & (self._goods[:, 1] == HEIGHT - 1)
        choice = _PAYOFF_ACTION[actions.clamp(0, 4)]
        sets_down = in_bay & (choice >= 0).all(dim=1) & playing
        carries = both & (actions[:, 0] == actions[:, 1]) & ~(in_bay & (choice[:, 0] >= 0)) & playing
        self._walk(actions, playing & ~both)
        together = _MOVES[actions[:, 0].clamp(0, 4)] * carries[:, None]
        self._agents, self._goods = self._agents + together[:, None], self._goods + together
        reward = torch.zeros(len(actions))
        if sets_down.any():
            reward[sets_down] = torch.from_numpy(self.game.sample(choice[sets_down].numpy(), self._rng)).float()
        self._time += 1
        cut = playing & ~sets_down & (self._time >= LIMIT)
        self._over = self._over | sets_down | cut
        never = torch.zeros(len(actions), 1, dtype=torch.bool)
        return Transition(self._observe(), reward[:, None], sets_down[:, None], cut[:, None], never, never)

    def _walk(self, actions: Int[Tensor, "e n"], free: Bool[Tensor, " e"]) -> None:
        """Move the agents that hold nothing, unless the cell is taken, or both want it."""
        wanted = self._agents + _MOVES[actions.clamp(0, 4)] * (free[:, None] & ~self._holds())[..., None]
        others = self._agents.flip(1)
        taken = (
            (wanted == others).all(-1) | (wanted == wanted.flip(1)).all(-1) | (wanted == self._goods[:, None]).all(-1)
        )
        self._agents = torch.where(taken[..., None], self._agents, wanted)

    def _holds(self) -> Bool[Tensor, "e n"]:
        """Whether each agent stands west or east of the goods."""
        distance = (self._agents - self._goods[:, None]).abs()
        return (distance[..., 0] == 1) & (distance[..., 1] == 0)

    def _available(self) -> Bool[Tensor, "e n a"]:
        holds = self._holds()
        both = holds.all(dim=1)[:, None, None]
        inside = self._inside(self._agents)
        load = inside.all(dim=1, keepdim=True).expand(-1, 2, -1)
        bay = (self._goods[:, 1] == HEIGHT - 1)[:, None, None] & (_PAYOFF_ACTION >= 0)
        available = torch.where(both, load | bay, inside & ~holds[..., None])
        available[..., STAY] = ~both.squeeze(-1)
        return available

    @staticmethod
    def _inside(places: Int[Tensor, "e n 2"]) -> Bool[Tensor, "e n a"]:
        """Whether each move from these cells stays in the room."""
        reached = places[:, :, None] + _MOVES
        return ((reached >= 0) & (reached < torch.tensor([WIDTH, HEIGHT]))).all(dim=-1)

    def _observe(self) -> Observation:
        own = _one_hot(self._agents)
        goods = _one_hot(self._goods)[:, None].expand(-1, 2, -1)
        holds = self._holds().float()
        obs = torch.cat([own, own.flip(1), goods, torch.stack([holds, holds.flip(1)], dim=-1)], dim=-1)
        return Observation(obs, obs[:, 0].clone(), self._available())

    def rng_state(self) -> dict[str, Tensor]:
        """Return the state of the generator that draws stochastic rewards."""
        return numpy_state(self._rng)

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Put it back."""
        set_numpy_state(self._rng, state)

    def close(self) -> None:
        """Nothing is held."""


def _one_hot(places: Int[Tensor, "*e 2"]) -> Float[Tensor, "*e cells"]:
    return torch.nn.functional.one_hot(places[..., 0] + WIDTH * places[..., 1], _CELLS).float()
