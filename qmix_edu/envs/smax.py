"""SMAX: battles in the manner of StarCraft II, simulated in JAX (JaxMARL), against the built-in heuristic enemy.

What SMAX returns raw is scaled and clipped here: positions run from 0 to 32, unit types are integers, and the weapon
cooldowns in the state keep falling below zero while a unit does not shoot, on which hypernetworks learn nothing.

Source: Rutherford et al. (2023), "JaxMARL".
"""

from __future__ import annotations

import difflib
import functools
import math
import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# The import prints which optional environments it lacks, and points sys.stdout and sys.stderr at the process's own,
# past a notebook's; all three are put back.
with mock.patch("builtins.print"), redirect_stdout(sys.stdout), redirect_stderr(sys.stderr):
    from jaxmarl.environments.smax import HeuristicEnemySMAX, map_name_to_scenario
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO

from qmix_edu.envs.small import refuse_unavailable
from qmix_edu.types import EnvSpec, Observation, Transition

with warnings.catch_warnings(action="ignore"):  # torch warns once of memory not to be written to, such as JAX's
    torch.from_numpy(np.frombuffer(bytes(1), dtype=np.uint8))

MAX_COOLDOWN = 2.0  # seconds; the slowest weapon takes 1.87 and a little
MAX_UNIT_TYPE = 5

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qmix_edu" / "jax"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def smax_maps() -> list[str]:
    """Return the names of SMAX's maps."""
    return sorted(MAP_NAME_TO_SCENARIO)


@dataclass(frozen=True)
class SmaxOptions:
    """How the enemy behaves, and how much everybody sees.

    ``attack_mode`` is whom an enemy shoots of those in its range, ``closest`` or ``random``; with ``enemy_shoots``
    False it only walks up. ``see_enemy_actions`` says whether observations hold the last move and target of enemies in
    sight. ``sight_range`` is how far every unit sees, of both teams, in place of its type's own 8 to 10; the map is
    32 wide, and shots reach 2 to 6.

    In an environment's name they follow a colon: ``smax/3m:attack_mode=random,sight_range=6``.
    """

    attack_mode: str = "closest"
    enemy_shoots: bool = True
    see_enemy_actions: bool = True
    sight_range: float | None = None

    def __post_init__(self) -> None:
        if self.attack_mode not in ("closest", "random"):
            raise ValueError(f"attack_mode is {self.attack_mode!r}; it must be closest or random.")
        if self.sight_range is not None and not 0 < self.sight_range < math.inf:
            raise ValueError(f"sight_range is {self.sight_range}; it must be above 0 and finite.")

    @classmethod
    def parse(cls, text: str) -> SmaxOptions:
        """Read ``name=value,name=value``; nothing is every default.

        Raises ValueError for an unknown option and for a value that does not fit.
        """
        given: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            if name not in _READ:
                near = difflib.get_close_matches(name, _READ, cutoff=0.3) or list(_READ)
                raise ValueError(f"SMAX has no option {name!r}; the nearest are {', '.join(near)}.")
            if name in given:
                raise ValueError(f"The option {name} is given twice; give it once.")
            given[name] = _READ[name](name, value)
        return cls(**given)

    def __str__(self) -> str:
        """Write what differs from the defaults, as ``parse`` reads it."""
        changed = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return ",".join(f"{name}={str(value).lower()}" for name, value in changed)


def _read_text(_: str, value: str) -> str:
    return value


def _read_bool(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"{name} is {value!r}; it must be true or false.")
    return value == "true"


def _read_float(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}; it must be a number.") from None


_READ = {
    "attack_mode": _read_text,
    "enemy_shoots": _read_bool,
    "see_enemy_actions": _read_bool,
    "sight_range": _read_float,
}


class _Seen(NamedTuple):
    """What the compiled functions hand back."""

    obs: Any  # [e, n, o]
    state: Any  # [e, s]
    avail_actions: Any  # [e, n, a]


class _Outcome(NamedTuple):
    seen: _Seen
    reward: Any  # [e, 1], as are the flags
    terminated: Any
    truncated: Any
    won: Any


class _Battles(NamedTuple):
    """All that changes: the random key, the simulator's state, and which battles are over [e]."""

    key: Any
    simulator: Any
    ended: Any


class SmaxEnv:
    """``n_envs`` battles of one map, stepped by one compiled call.

    Actions: 0 north, 1 east, 2 south, 3 west, 4 stop, 5 + j shoot enemy j; a dead unit may only stop. Reward: the mean
    share of health taken from the enemies, and 1 for a win, so a return of 2 is the most. A battle is won when all
    enemies are dead and a unit of the team lives; when both teams die at once it is a draw. After 100 steps it is
    truncated.
    """

    def __init__(self, map_name: str, n_envs: int = 1, seed: int = 0, options: SmaxOptions | None = None):
        self._map_name, self._options = map_name, options or SmaxOptions()
        self._simulator, self._reset, self._step = _compiled(map_name, n_envs, self._options)
        units = self._simulator.num_allies + self._simulator.num_enemies
        self.spec = EnvSpec(
            name=f"smax/{map_name}" + (f":{self._options}" if str(self._options) else ""),
            n_envs=n_envs,
            n_agents=self._simulator.num_allies,
            n_actions=self._simulator.num_ally_actions,
            obs_size=self._simulator.obs_size,
            state_size=12 * units,
            episode_limit=self._simulator.max_steps,
            has_wins=True,
        )
        self._key = jax.random.PRNGKey(seed)
        self._battles: _Battles | None = None
        self._seen: Observation | None = None

    def reset(self) -> Observation:
        """Begin a battle in every copy."""
        battles, seen = self._reset(self._key)
        self._battles, self._key = battles, battles.key
        return self._observation(seen)

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Let half a second of battle pass."""
        if self._battles is None or self._seen is None:
            raise RuntimeError("reset() comes before the first step().")
        ended = _to_torch(self._battles.ended)
        refuse_unavailable(actions, self._seen.avail_actions | ended[:, None, None])  # ignored after the end
        battles, outcome = self._step(self._battles, actions.numpy())
        self._battles, self._key = battles, battles.key
        return Transition(
            self._observation(outcome.seen),
            _to_torch(outcome.reward),
            _to_torch(outcome.terminated),
            _to_torch(outcome.truncated),
            _to_torch(outcome.won),
            torch.zeros(self.spec.n_envs, 1, dtype=torch.bool),
        )

    @property
    def battles(self) -> Any:
        """SMAX's own state of every battle: positions, health, types and cooldowns of all units."""
        if self._battles is None:
            raise RuntimeError("reset() comes before there are battles to look at.")
        return self._battles.simulator.state

    @property
    def raw_state(self) -> Float[Tensor, "e s"]:
        """The state as the simulator gives it, before it is scaled and clipped for ``Observation.state``.

        Per unit: health as a share, x and y from 0 to 32, the weapon's cooldown in seconds, six numbers for the type.
        Then every unit's team, then every unit's type.
        """
        if self._battles is None:
            raise RuntimeError("reset() comes before there is a state to look at.")
        return _to_torch(jax.vmap(self._simulator.get_world_state)(self._battles.simulator))

    def clone(self, battle: int, n_envs: int, seed: int) -> tuple[SmaxEnv, Observation]:
        """Return an environment whose every copy is at the present moment of one battle, and what is seen there.

        Each copy has its own chance from here on. ``reset`` begins ordinary battles in it.
        """
        if self._battles is None or self._seen is None:
            raise RuntimeError("reset() comes before there is a battle to clone.")
        if not 0 <= battle < self.spec.n_envs:
            raise ValueError(f"There is no battle {battle}; the environment has {self.spec.n_envs}, counted from 0.")
        copies = SmaxEnv(self._map_name, n_envs, seed, self._options)

        def repeated(array: Any) -> Any:
            return jnp.repeat(array[battle][None], n_envs, axis=0)

        simulated, ended = jax.tree.map(repeated, (self._battles.simulator, self._battles.ended))
        copies._battles = _Battles(copies._key, simulated, ended)
        rows = [getattr(self._seen, field.name)[battle] for field in fields(Observation)]
        copies._seen = Observation(*(row.expand(n_envs, *row.shape).clone() for row in rows))
        return copies, copies._seen

    def _observation(self, seen: _Seen) -> Observation:
        self._seen = Observation(_to_torch(seen.obs), _to_torch(seen.state), _to_torch(seen.avail_actions))
        return self._seen

    def rng_state(self) -> dict[str, Tensor]:
        """Return the random key."""
        return {"key": torch.from_numpy(np.array(self._key).view(np.int32))}

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Put it back."""
        self._key = jnp.asarray(state["key"].numpy().view(np.uint32))

    def close(self) -> None:
        """Nothing is held."""


def _to_torch(array: Any) -> Tensor:
    """Return a tensor on JAX's own memory, which lives as long as the tensor and which no later step reuses."""
    return torch.from_numpy(np.asarray(array))


@functools.lru_cache(maxsize=8)
def _compiled(map_name: str, n_envs: int, options: SmaxOptions) -> tuple[Any, Any, Any]:
    """Return the simulator and its compiled reset and step for ``n_envs`` battles."""
    simulator = _simulator(map_name, options)
    allies = [f"ally_{i}" for i in range(simulator.num_allies)]

    def see(obs: Any, simulated: Any) -> _Seen:
        avail = simulator.get_avail_actions(simulated)
        return _Seen(
            jnp.clip(jnp.stack([obs[name] for name in allies]), -1.0, 1.0),
            _scaled_state(simulator, obs["world_state"]),
            jnp.stack([avail[name] for name in allies]).astype(bool),
        )

    def reset_one(key: Any) -> tuple[Any, _Seen]:
        obs, simulated = simulator.reset(key)
        return simulated, see(obs, simulated)

    def step_one(key: Any, before: Any, ended: Any, actions: Any) -> tuple[Any, Any, _Outcome]:
        chosen = {name: actions[i] for i, name in enumerate(allies)}
        _, after, rewards, _, _ = simulator.step_env(key, before, chosen)
        unit_alive = after.state.unit_alive
        team_alive = unit_alive[: len(allies)].any()
        enemy_alive = unit_alive[len(allies) :].any()
        # An ended battle stays as it is: SMAX would simulate on.
        after = jax.tree.map(lambda old, new: jnp.where(ended, old, new), before, after)
        seen = see({**simulator.get_obs(after), "world_state": simulator.get_world_state(after)}, after)
        wiped_out = ~(team_alive & enemy_alive)
        over = wiped_out | (after.state.step >= simulator.max_steps)  # SMAX itself lets one more step pass
        outcome = _Outcome(
            seen,
            jnp.where(ended, 0.0, rewards[allies[0]])[None],
            (~ended & wiped_out)[None],
            (~ended & over & ~wiped_out)[None],
            (~ended & team_alive & ~enemy_alive)[None],
        )
        return after, ended | over, outcome

    def reset(key: Any) -> tuple[_Battles, _Seen]:
        key, *keys = jax.random.split(key, n_envs + 1)
        simulated, seen = jax.vmap(reset_one)(jnp.stack(keys))
        return _Battles(key, simulated, jnp.zeros(n_envs, dtype=bool)), seen

    def step(battles: _Battles, actions: Any) -> tuple[_Battles, _Outcome]:
        key, *keys = jax.random.split(battles.key, n_envs + 1)
        simulated, ended, outcome = jax.vmap(step_one)(jnp.stack(keys), battles.simulator, battles.ended, actions)
        return _Battles(key, simulated, ended), outcome

    key = jax.random.PRNGKey(0)
    compiled_reset = jax.jit(reset).lower(key).compile()
    battles, _ = compiled_reset(key)
    actions = np.zeros((n_envs, len(allies)), dtype=np.int64)
    compiled_step = jax.jit(step).lower(battles, jnp.asarray(actions, dtype=jnp.int32)).compile()
    return (
        simulator,
        compiled_reset,
        lambda battles, actions: compiled_step(battles, actions.astype(np.int32)),
    )


def _simulator(map_name: str, options: SmaxOptions) -> Any:
    sight: dict[str, Any] = {}
    if options.sight_range is not None:
        sight["unit_type_sight_ranges"] = jnp.full(MAX_UNIT_TYPE + 1, options.sight_range)
    return HeuristicEnemySMAX(
        enemy_shoots=options.enemy_shoots,
        attack_mode=options.attack_mode,
        see_enemy_actions=options.see_enemy_actions,
        scenario=map_name_to_scenario(map_name),
        **sight,
    )


def _scaled_state(simulator: Any, world_state: Any) -> Any:
    """Scale the state: per unit health, x, y, cooldown, type; then every unit's team; then every unit's type."""
    units = simulator.num_allies + simulator.num_enemies
    features = world_state[: 10 * units].reshape(units, 10)
    scale = jnp.array([1.0, simulator.map_width, simulator.map_height, MAX_COOLDOWN] + 6 * [1.0])
    teams, types = world_state[10 * units : 11 * units], world_state[11 * units :]
    return jnp.concatenate([jnp.clip(features / scale, 0.0, 1.0).reshape(-1), teams, types / MAX_UNIT_TYPE])
