"""Record episodes: what every agent knew and did, and in SMAX where everybody stands and whom they shoot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from qmix_edu.actor_critic import ActorCritic
from qmix_edu.audit import Steps, utility_gradients
from qmix_edu.battle_plots import UNIT_TYPES, Battle
from qmix_edu.envs.smax import MAX_COOLDOWN, SmaxEnv
from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner
from qmix_edu.mixers import Independent, Mixed, QMixer, QMixerLin, QMixerNS, VDNMixer, VDNSMixer
from qmix_edu.records import Record, RecordedEpisode, short
from qmix_edu.rollout import play
from qmix_edu.scripted import ScriptedTeam
from qmix_edu.types import Environment

MOVES = ("north", "east", "south", "west", "stop")  # SMAX's actions that do not shoot
_RECORDED = ("unit_positions", "unit_health", "unit_alive", "unit_weapon_cooldowns", "prev_attack_actions")


def record_battles(
    env: Environment, learner: Learner | ScriptedTeam, *, epsilon: float = 0.0, seed: int = 0
) -> list[Battle]:
    """Play one battle in every copy of ``env`` and return them all; greedy play unless ``epsilon`` is above 0.

    ``seed`` decides what is explored. The battles themselves follow the environment's own randomness: to let two
    teams begin from the same places, put back ``env.rng_state()`` in between.

    Raises:
        ValueError: if ``env`` is not SMAX, whose simulator can be looked into.
    """
    if not isinstance(env, SmaxEnv):
        raise ValueError(f"Battles can be recorded on smax/<map> only, and this is {env.spec.name}; use make_env.")
    return _play_battles(env, learner, epsilon, torch.Generator().manual_seed(seed))[2]


def record_episodes(
    env: Environment, learner: Learner, episodes: int = 4, *, epsilon: float = 0.0, seed: int = 0
) -> Record:
    """Play episodes in any environment and return them with what every agent knew and did; see ``records``.

    Greedy play unless ``epsilon`` is above 0; ``seed`` decides what is explored. On SMAX the units are recorded, too.

    Raises:
        ValueError: if fewer than 1 episode is asked for, or the learner has no utilities of single agents.
    """
    if episodes < 1:
        raise ValueError(f"Asked for {episodes} episodes; 1 is the least.")
    if isinstance(learner, ActorCritic):
        raise ValueError(f"{learner.algorithm} has a policy and no utilities; record a run that learns values.")
    generator = torch.Generator().manual_seed(seed)
    done: list[RecordedEpisode] = []
    while len(done) < episodes:
        if isinstance(env, SmaxEnv):
            batch, won, battles = _play_battles(env, learner, epsilon, generator)
        else:
            batch, won = play(env, learner, epsilon, generator)
            battles = list[Battle | None]([None] * len(batch))
        utilities = _utilities(learner, batch)
        for e, battle in enumerate(battles[: episodes - len(done)]):
            outcome = bool(won[e]) if env.spec.has_wins else None
            done.append(_episode(learner, batch, utilities, e, outcome, battle))
    return Record(
        env=env.spec.name,
        algorithm=learner.algorithm,
        gamma=learner.settings.gamma,
        n_agents=env.spec.n_agents,
        action_names=_action_names(env),
        episodes=done,
    )


# --- what the agents knew and did ----------------------------------------------------------------------------


def _utilities(learner: Learner, batch: EpisodeBatch) -> Float[Tensor, "b t n a"]:
    """Return the utilities that the agents acted by, one moment after the other as in play."""
    steps: list[Tensor] = []
    hidden: Tensor | None = None
    last_actions = batch.last_actions
    for t in range(batch.actions.shape[1]):
        utilities, hidden = learner.utilities(batch.obs[:, t], last_actions[:, t], hidden)
        steps.append(utilities)
    found = torch.stack(steps, dim=1)
    if found.shape[2:] != batch.avail_actions.shape[2:]:
        raise ValueError(
            f"{learner.algorithm} values the joint actions of the whole team and has no utilities of single agents; "
            "record a run of another algorithm, for example qmix."
        )
    return found


def _episode(
    learner: Learner,
    batch: EpisodeBatch,
    utilities: Float[Tensor, "b t n a"],
    e: int,
    won: bool | None,
    battle: Battle | None,
) -> RecordedEpisode:
    length, scale = int(batch.lengths[e]), learner.settings.reward_scale
    taken, available = batch.actions[e, :length], batch.avail_actions[e, :length]
    steps = Steps(utilities[e, :length], taken, available, batch.state[e, :length])
    mixing, mixer = _mixing(learner), _mixer_weights(learner, steps)
    mixed = mixing != "none"
    reward = batch.reward[e, :length, 0].double().numpy()
    return RecordedEpisode(
        mixing=mixing,
        won=won,
        truncated=not bool(batch.terminated[e, length - 1]),
        reward=short(reward),
        returns_to_come=short(_returns_to_come(reward, learner.settings.gamma)),
        utilities=short(steps.utilities / scale),
        avail_actions=available.numpy(),
        actions=taken.numpy(),
        greedy=learner.greedy(steps.utilities, available).numpy(),
        q_tot=short(learner.value(steps.utilities, taken, available, steps.state)[:, 0]) if mixed else None,
        weights=short(utility_gradients(learner, steps)) if mixed else None,
        mixer={name: short(values.detach()) for name, values in mixer.items()} if mixer else None,
        battle=battle,
    )


def _returns_to_come(reward: Float[np.ndarray, " t"], gamma: float) -> Float[np.ndarray, " t"]:
    """``G_t = r_t + gamma G_{t+1}``, and nothing after the end."""
    returns, following = np.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        returns[t] = following = reward[t] + gamma * following
    return returns


def _mixing(learner: Learner) -> str:
    """Name the kind of formula that makes Q_tot of the utilities; see ``records``."""
    factorisation = learner.online["factorisation"]
    if isinstance(factorisation, Independent):
        return "none"
    mixer = factorisation.mixer if isinstance(factorisation, Mixed) else None
    if isinstance(mixer, (VDNMixer, VDNSMixer, QMixerLin)):
        return "linear"
    return "network" if isinstance(mixer, (QMixer, QMixerNS)) else "opaque"


def _mixer_weights(learner: Learner, steps: Steps) -> dict[str, Tensor]:
    """Return the weights of a mixing network at every step, for utilities and Q_tot in units of the rewards.

    ``Q_tot / c = (w2 / c) . ELU((c w1) (q / c) + b1) + v / c`` for the reward scale c.
    """
    factorisation, scale = learner.online["factorisation"], learner.settings.reward_scale
    mixer = factorisation.mixer if isinstance(factorisation, Mixed) else None
    if isinstance(mixer, QMixer):
        raw = mixer.raw_parameters(steps.state)
        w1, w2 = mixer.weight_constraint(raw["w1"]), mixer.weight_constraint(raw["w2"])
        b1, v = raw["b1"], raw["v"]
    elif isinstance(mixer, QMixerNS):  # the same at every state
        w1, b1 = mixer.first.weight.abs().T.expand(len(steps), -1, -1), mixer.first.bias.expand(len(steps), -1)
        w2, v = mixer.last.weight.abs().expand(len(steps), -1), mixer.last.bias.expand(len(steps))
    else:
        return {}
    return {"w1": scale * w1, "b1": b1, "w2": w2 / scale, "v": v / scale}


def _action_names(env: Environment) -> list[str]:
    if isinstance(env, SmaxEnv):
        return [*MOVES, *(f"shoot {enemy}" for enemy in range(1, env.spec.n_actions - len(MOVES) + 1))]
    return [str(action) for action in range(env.spec.n_actions)]


# --- where everybody stands ----------------------------------------------------------------------------------


def _play_battles(
    env: SmaxEnv, learner: Learner | ScriptedTeam, epsilon: float, generator: torch.Generator
) -> tuple[EpisodeBatch, Tensor, list[Battle]]:
    seen: list[dict[str, NDArray[Any]]] = []

    def look(*_: Any) -> None:
        seen.append({name: np.array(getattr(env.battles, name)) for name in _RECORDED})

    batch, won = play(env, learner, epsilon, generator, watch=look)
    look()  # the last moment; a battle that ended earlier stays as it was
    film = {name: np.stack([moment[name] for moment in seen], axis=1) for name in _RECORDED}  # [e, t+1, u, ...]
    teams, types = (np.array(getattr(env.battles, f"unit_{name}")).astype(int) for name in ("teams", "types"))
    battles = [
        _battle(
            env.spec.name,
            {name: frames[e, : length + 1] for name, frames in film.items()},
            batch.reward[e, :length, 0].numpy(),
            teams[e],
            types[e],
            bool(won[e]),
        )
        for e, length in enumerate(batch.lengths.tolist())
    ]
    return batch, won, battles


def _battle(
    name: str,
    film: dict[str, NDArray[Any]],
    reward: NDArray[Any],
    teams: Int[np.ndarray, " u"],
    types: Int[np.ndarray, " u"],
    won: bool,
) -> Battle:
    alive = film["unit_alive"]
    return Battle(
        map_name=name,
        targets=np.where(alive[:-1], _targets(film["prev_attack_actions"][1:], teams), -1),
        reward=short(reward),
        positions=short(film["unit_positions"]),
        health=short(film["unit_health"] / film["unit_health"][0]),
        cooldown=short(np.clip(film["unit_weapon_cooldowns"], 0.0, MAX_COOLDOWN)),
        alive=alive,
        teams=teams,
        types=tuple(UNIT_TYPES[t] for t in types),
        won=won,
    )


def _targets(actions: Int[np.ndarray, "t u"], teams: Int[np.ndarray, " u"]) -> Int[np.ndarray, "t u"]:
    """Return the unit that every action shoots, -1 for none; SMAX's enemies count their targets from the last ally."""
    n_allies, moves = int((teams == 0).sum()), len(MOVES)
    target = np.where(teams == 0, n_allies + actions - moves, n_allies - 1 - (actions - moves))
    return np.where(actions >= moves, target, -1)
