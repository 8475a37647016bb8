"""Environments by name: matrix games, the two-step game, a gridworld, SMAX, StarCraft II, PettingZoo, Gymnasium."""

from __future__ import annotations

import difflib
from typing import cast

from matrix_games import MatrixGame, catalogue
from qmix_edu.envs.small import MatrixGameEnv, TwoStepGame
from qmix_edu.envs.transport import GAMES, TransportGridworld
from qmix_edu.types import Environment


class UnknownNameError(ValueError):
    """A name that nothing bears; the message lists the nearest ones."""

    def __init__(self, kind: str, name: str, known: list[str]):
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known[:5]
        super().__init__(f"There is no {kind} {name!r}; the nearest are {', '.join(near)}.")


def make_env(env: str | MatrixGame, n_envs: int = 1, seed: int = 0) -> Environment:
    """Make ``n_envs`` copies of an environment.

    ``env`` is a :class:`~matrix_games.MatrixGame`, or one of the names that :func:`env_names` lists:
    ``matrix/<game>``, ``two-step``, ``gridworld/<variant>``, ``smax/<map>``, ``smac/<map>``, ``smacv2/<scenario>``; or
    ``pettingzoo/<module>`` for a :func:`~qmix_edu.envs.pettingzoo.make_pettingzoo` of an installed module, e.g.
    ``pettingzoo/mpe2.simple_spread_v3``; or ``gymnasium/<module>:<id>`` for a
    :func:`~qmix_edu.envs.pettingzoo.make_gymnasium`, e.g. ``gymnasium/lbforaging:Foraging-5x5-2p-1f-coop-v3``. Options
    of SMAX follow a colon, as in ``smax/3m:attack_mode=random`` (:class:`~qmix_edu.envs.smax.SmaxOptions`).

    Raises:
        UnknownNameError: no environment has this name.
        ValueError: ``env`` is neither a name nor a game, ``n_envs`` is below 1, or an option of SMAX is unknown.
        StarCraftUnavailable: ``smac/<map>`` or ``smacv2/<scenario>``, and StarCraft II or its package is not there.
        EnvironmentFailedError: ``pettingzoo/<module>`` or ``gymnasium/<module>:<id>``, and it is not there.

    """
    if n_envs < 1:
        raise ValueError(f"n_envs is {n_envs}; 1 is the least.")
    if isinstance(env, MatrixGame):
        return MatrixGameEnv(env, n_envs, seed)
    if not isinstance(cast(object, env), str):
        raise ValueError(f"env is of type {type(env).__name__}; give a name, e.g. 'smax/3m', or a MatrixGame.")
    kind, _, name = env.partition("/")
    if kind == "matrix" and name in catalogue:
        return MatrixGameEnv(catalogue[name], n_envs, seed)
    if env == "two-step":
        return TwoStepGame(n_envs)
    if kind == "gridworld" and name in GAMES:
        return TransportGridworld(name, n_envs, seed)
    plain, _, options = env.partition(":")
    if kind == "smax" and plain in env_names():
        from qmix_edu.envs.smax import SmaxEnv, SmaxOptions  # JAX takes seconds to import

        return SmaxEnv(name.partition(":")[0], n_envs, seed, SmaxOptions.parse(options))
    if kind == "smac" and name:
        from qmix_edu.envs.starcraft2 import make_starcraft2

        return make_starcraft2(name, n_envs, seed)
    if kind == "smacv2" and name:
        from qmix_edu.envs.smacv2 import make_smacv2

        return make_smacv2(name, n_envs, seed)
    if kind == "pettingzoo" and name:
        from qmix_edu.envs.pettingzoo import make_pettingzoo

        return make_pettingzoo(name, n_envs, seed)
    if kind == "gymnasium" and name:
        from qmix_edu.envs.pettingzoo import make_gymnasium

        return make_gymnasium(name, n_envs, seed)
    raise UnknownNameError("environment", env, env_names())


def env_names() -> list[str]:
    """Return the names of all environments; of PettingZoo's and Gymnasium's one stands for all that are installed."""
    from qmix_edu.envs.smacv2 import smacv2_maps
    from qmix_edu.envs.smax import smax_maps
    from qmix_edu.envs.starcraft2 import starcraft2_maps

    return [
        *(f"matrix/{name}" for name in catalogue),
        "two-step",
        *(f"gridworld/{variant}" for variant in GAMES),
        *(f"smax/{name}" for name in smax_maps()),
        *(f"smac/{name}" for name in starcraft2_maps()),
        *(f"smacv2/{name}" for name in smacv2_maps()),
        "pettingzoo/mpe2.simple_spread_v3",
        "gymnasium/lbforaging:Foraging-5x5-2p-1f-coop-v3",
    ]
