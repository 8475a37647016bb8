"""Battles in the real StarCraft II, through the packages of the authors of SMAC and SMACv2.

Differs from ``smac.env.StarCraft2Env``: a time limit is ``truncated`` and not ``terminated``, a lost
connection is ``aborted``, the game never restarts needlessly (until an episode has ended, every restart by
the package adds the enemies' health to the scale of the rewards once more), and a known failure is one sentence.

Source: Samvelyan et al., The StarCraft Multi-Agent Challenge, 2019 (arXiv 1902.04043).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from qmix_edu.types import Environment, EnvironmentFailedError, EnvSpec, Observation, Transition

INSTALL_SMAC = 'pip install "git+https://github.com/oxwhirl/smac.git@d6aab33f76abc3849c50463a8592a84f59a5ef84"'

_AGAIN = "run it again, with fewer games if the memory is short."

# steps after which a battle of each map is cut
_EPISODE_LIMITS = {
    "3m": 60,
    "8m": 120,
    "25m": 150,
    "5m_vs_6m": 70,
    "8m_vs_9m": 120,
    "10m_vs_11m": 150,
    "27m_vs_30m": 180,
    "MMM": 150,
    "MMM2": 180,
    "2s3z": 120,
    "3s5z": 150,
    "3s5z_vs_3s6z": 170,
    "3s_vs_3z": 150,
    "3s_vs_4z": 200,
    "3s_vs_5z": 250,
    "1c3s5z": 180,
    "2m_vs_1z": 150,
    "corridor": 400,
    "6h_vs_8z": 150,
    "2s_vs_1sc": 300,
    "so_many_baneling": 100,
    "bane_vs_bane": 200,
    "2c_vs_64zg": 400,
}


class StarCraftUnavailable(EnvironmentFailedError):
    """StarCraft II or the package that plays in it cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Package:
    """A package that plays battles in the game: its class ``env`` in the module ``<name>.env``."""

    name: str
    env: str
    install: str
    maps_go_to: str  # the folder of the game where SMAC_Maps.zip, from the package's releases, is unpacked


SMAC = Package("smac", "StarCraft2Env", INSTALL_SMAC, "Maps")


@dataclass(frozen=True)
class Battle:
    """What is played: a scenario of a package, and the arguments of the package's environment for it."""

    package: Package
    scenario: str
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the environment."""
        return f"{self.package.name}/{self.scenario}"

    def build(self, seed: int) -> Any:
        """Return the package's environment, from arguments of its own: SMACv2 writes into them."""
        return load_starcraft2_env(self.package)(**deepcopy(self.arguments), seed=seed)


def starcraft2_maps() -> list[str]:
    """Return the names of the SMAC maps; neither SMAC nor the game is needed."""
    return list(_EPISODE_LIMITS)


def make_starcraft2(map_name: str, n_envs: int = 1, seed: int = 0) -> Environment:
    """Return ``n_envs`` games of StarCraft II on one SMAC map; game i is seeded with ``seed + i``.

    One game runs beside this process; several run in a process each. They start with the first ``reset``.
    A game that hangs blocks ``step`` for ``absl.flags.FLAGS.sc2_timeout`` seconds (360 unless you lower it).

    Raises ValueError for an unknown map or ``n_envs`` below 1, and StarCraftUnavailable where SMAC cannot be
    imported.
    """
    check_map("SMAC", map_name, starcraft2_maps())
    return play(Battle(SMAC, map_name, {"map_name": map_name}), n_envs, seed)


def check_map(title: str, name: str, known: list[str]) -> None:
    """Raise ValueError, with the nearest known names, for a map that is not known."""
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.3) or known
        raise ValueError(f"{title} has no map {name!r}; choose another, such as {', '.join(near)}.")


def play(battle: Battle, n_envs: int, seed: int) -> StarCraft2:
    """Return ``n_envs`` games of one battle, as :func:`make_starcraft2` does."""
    if n_envs < 1:
        raise ValueError(f"n_envs is {n_envs}, but at least 1 game is needed; pass a positive number.")
    load_starcraft2_env(battle.package)
    return StarCraft2(battle, n_envs, seed)


def which_smac() -> Literal["none", "smac3", "starcraft"]:
    """Say which of the two packages called ``smac`` is installed, without importing it."""
    try:
        spec = importlib.util.find_spec("smac")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        return "none"
    if any((Path(folder) / "env").is_dir() for folder in spec.submodule_search_locations):
        return "starcraft"
    return "smac3" if spec.origin else "none"  # without an origin it is just some folder called smac


def starcraft2_folder() -> Path:
    """Return where pysc2 looks for the game: ``SC2PATH``, or the usual folder of this system."""
    usual = {"darwin": "/Applications/StarCraft II", "win32": "C:/Program Files (x86)/StarCraft II"}
    return Path(os.environ.get("SC2PATH") or usual.get(sys.platform, "~/StarCraftII")).expanduser()


def load_starcraft2_env(package: Package = SMAC) -> Any:
    """Import a package's environment; where that fails, StarCraftUnavailable says what to install."""
    kind = which_smac() if package == SMAC else "starcraft"
    if kind == "smac3":
        raise StarCraftUnavailable(
            "The smac that is installed is SMAC3, a hyper-parameter optimiser of the same name: "
            f"replace it with StarCraft's by `pip uninstall smac` and then `{INSTALL_SMAC}`."
        )
    if kind == "none":
        raise StarCraftUnavailable(f"StarCraft's smac is not installed: run `{INSTALL_SMAC}`.")
    try:
        return getattr(importlib.import_module(f"{package.name}.env"), package.env)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (package.name, f"{package.name}.env"):
            advice = f"{package.name} is not installed: run `{package.install}`."
        elif "Descriptors cannot be created directly" in str(error):
            advice = f'The protobuf that is installed is too new for {package.name}: run `pip install "protobuf<3.21"`.'
        else:
            advice = f"{package.name} cannot be imported ({_told(error)}): install it again by `{package.install}`."
        raise StarCraftUnavailable(advice) from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".")


def _explain(error: Exception, battle: Battle) -> str:
    """Turn a failure of the package, of pysc2 or of the game into one sentence with one instruction.

    pysc2's exceptions are known by their names, so that this works without pysc2.
    """
    folder = starcraft2_folder()
    told = _told(error)
    package, map_name = battle.package, battle.arguments["map_name"]
    unpack = f"unpack StarCraft II 4.10 into {folder} again."
    if isinstance(error, FileNotFoundError) and "Versions" in told:
        return f"StarCraft II is not in {folder}: install it there, or set SC2PATH to the folder that it is in."
    if "No SC2 Versions found" in told:
        return f"{folder / 'Versions'} holds no version of the game: {unpack}"
    if isinstance(error, KeyError) and error.args == (map_name,):
        return f"The installed {package.name} does not know the map {map_name}: update it by `{package.install}`."
    if isinstance(error, RuntimeError) and "executable" in told:
        return f"StarCraft II may not be executed ({told}): give that file the right to run with `chmod +x`."
    by_name = {
        "SC2LaunchError": f"The StarCraft II in {folder} has no program to run ({told}): {unpack}",
        "RuntimeError": f"The StarCraft II in {folder} did not start ({told}): {unpack}",
        "ValueError": f"The map {map_name} is not in {folder / 'Maps'} ({told}): unpack SMAC_Maps.zip, from "
        f"https://github.com/oxwhirl/{package.name}/releases, into {folder / package.maps_go_to}.",
        "DuplicateMapError": f"smac and smacv2 name their maps alike, so one process cannot play both ({told}): "
        "restart Python, and use one of them.",
        "ConnectError": f"StarCraft II ended before it could be reached ({told}): "
        f"start the program in {folder / 'Versions'} by hand to see why.",
        "RequestError": f"StarCraft II refused the battle on {map_name} ({told}): use its version 4.10.",
        "ConnectionError": f"The connection to StarCraft II was lost while it started ({told}): {_AGAIN}",
    }
    return by_name.get(
        type(error).__name__,
        f"StarCraft II failed on {map_name} ({told}): run `qmix-edu doctor` to see what is missing.",
    )


@dataclass(frozen=True)
class _Moment:
    """What one game shows, and what its last step brought."""

    obs: Float[np.ndarray, "n o"]
    state: Float[np.ndarray, " s"]
    avail_actions: Bool[np.ndarray, "n a"]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    won: bool = False
    aborted: bool = False

    def after(self, *, aborted: bool = False) -> _Moment:
        """Return the same view once the episode is over, without the step's reward and flags."""
        return replace(self, reward=0.0, terminated=False, truncated=False, won=False, aborted=aborted)


class _Game:
    """One environment of the package, built and reset no more often than needed."""

    def __init__(self, battle: Battle, seed: int) -> None:
        self._battle = battle
        self._seed = seed
        self._env: Any = None
        self._forget()

    def _forget(self) -> None:
        self._env = None
        self._launched = False
        self._episode_ended = False  # an episode of this game has come to its end
        self._moment: _Moment | None = None
        self._steps = 0

    def close(self) -> None:
        env = self._env
        self._forget()
        if env is not None:
            with suppress(Exception):  # the game may be gone already
                env.close()

    @contextmanager
    def _in_one_sentence(self) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self.close()  # a game that failed or was interrupted midway is of no more use
            if isinstance(error, StarCraftUnavailable) or not isinstance(error, Exception):
                raise
            raise StarCraftUnavailable(_explain(error, self._battle)) from error

    def _built(self) -> Any:
        if self._env is None:
            self._env = self._battle.build(self._seed)
        return self._env

    def info(self) -> dict[str, int]:
        with self._in_one_sentence():
            return dict(self._built().get_env_info())

    def reset(self) -> _Moment:
        if self._moment is not None and self._steps == 0:
            return self._moment  # nothing was played; a reset would cost a launch and spoil the scale of the rewards
        with self._in_one_sentence():
            if not (self._begin() or self._begin()):
                raise StarCraftUnavailable(f"The connection to StarCraft II was lost twice as a battle began: {_AGAIN}")
            self._steps = 0
            self._moment = self._look()
            return self._moment

    def _begin(self) -> bool:
        """Start a battle, and say whether its first observation is to be trusted.

        Until an episode has ended, the package adds to its reward scale at every reset: take a new game
        instead. When the connection is lost inside ``reset``, the package launches the game again and then
        shows the units of the battle before, or fails with ``KeyError: 0`` where there was none.
        """
        if self._launched and not self._episode_ended:
            self.close()
        env = self._built()
        restarts = env.force_restarts
        self._launched = True
        try:
            env.reset()
        except KeyError as error:
            if error.args != (0,):
                raise
            return False
        return env.force_restarts == restarts

    def step(self, actions: Int[np.ndarray, " n"]) -> _Moment:
        assert self._moment is not None
        with self._in_one_sentence():
            reward, over, info = self._env.step(actions.tolist())
            self._steps += 1
            if "battle_won" not in info:  # the connection was lost; what the package shows now is out of date
                return self._moment.after(aborted=True)
            self._episode_ended = self._episode_ended or bool(over)
            won = bool(info["battle_won"])
            both_alive = info["dead_allies"] < self._env.n_agents and info["dead_enemies"] < self._env.n_enemies
            truncated = bool(over) and not won and both_alive and self._steps >= self._env.episode_limit
            self._moment = replace(
                self._look(),
                reward=float(reward),
                terminated=bool(over) and not truncated,
                truncated=truncated,
                won=won,
            )
            return self._moment

    def _look(self) -> _Moment:
        return _Moment(
            np.array(self._env.get_obs(), dtype=np.float32),
            np.array(self._env.get_state(), dtype=np.float32),
            np.array(self._env.get_avail_actions(), dtype=bool),
        )


class _Played(Protocol):
    """A game that is asked first and answers later, so that several can play at once."""

    def send(self, command: str, *arguments: Any) -> None: ...
    def receive(self) -> Any: ...
    def close(self) -> None: ...


class _HereGame:
    """A game beside this process."""

    def __init__(self, battle: Battle, seed: int) -> None:
        self._game = _Game(battle, seed)

    def send(self, command: str, *arguments: Any) -> None:
        self._answer = partial(getattr(self._game, command), *arguments)

    def receive(self) -> Any:
        return self._answer()

    def close(self) -> None:
        self._game.close()


def _end(*_: object) -> None:
    sys.exit(1)  # passes through _serve, which closes its game


def _serve(connection: Connection, battle: Battle, seed: int) -> None:
    """Play one game for the process at the other end, until that hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other end's to handle
    signal.signal(signal.SIGTERM, _end)
    game = _Game(battle, seed)
    try:
        while True:
            ticket, command, arguments = connection.recv()
            try:
                answer = getattr(game, command)(*arguments)
            except StarCraftUnavailable as error:
                answer = error
            connection.send((ticket, answer))
    except (EOFError, OSError):
        pass
    finally:
        game.close()


class _ProcessGame:
    """A game in a process of its own."""

    def __init__(self, battle: Battle, seed: int) -> None:
        self._battle = battle
        self._seed = seed
        self._ticket = 0
        self._asked: tuple[str, tuple[Any, ...]] = ("info", ())
        self._moment: _Moment | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a launched game cannot be forked or pickled
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._battle, self._seed), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, command: str, *arguments: Any) -> None:
        self._ticket += 1
        self._asked = (command, arguments)
        with suppress(OSError):  # a process that died is noticed by receive
            self._connection.send((self._ticket, command, arguments))

    def receive(self) -> Any:
        answer = self._answer()
        if answer is None and self._asked[0] == "step" and self._moment is not None:
            return self._moment.after(aborted=True)
        if answer is None and self._asked[0] == "reset":
            self.close()
            self._start()
            self.send("reset")
            answer = self._answer()
        if answer is None:
            raise StarCraftUnavailable(
                f"The process of a game on {self._battle.scenario} died (exit code {self._process.exitcode}): "
                "run a script's main part under `if __name__ == '__main__':`, or see the cause with n_envs=1."
            )
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, _Moment):
            self._moment = answer
        return answer

    def _answer(self) -> Any:
        """Return the answer to the last question, or None if the process died."""
        try:
            while True:
                ticket, answer = self._connection.recv()
                if ticket == self._ticket:  # others belong to questions that were interrupted
                    return answer
        except (EOFError, OSError):
            self._process.join(5)
            return None

    def close(self) -> None:
        self._connection.close()  # tells the process to close its game and end
        self._process.join(10)
        for end in (self._process.terminate, self._process.kill):
            if self._process.is_alive():
                end()
                self._process.join(5)


def _close_all(games: list[_Played]) -> None:
    for game in games:
        game.close()
    games.clear()


class StarCraft2:
    """``n_envs`` games of one battle in StarCraft II; make it with ``make_starcraft2`` or ``make_smacv2``.

    Action 0 does nothing and is all that a dead agent can do; 1 stops, 2 to 5 move, 6 + j attacks enemy j (a
    medivac heals ally j). The team's reward is scaled so that the most an episode can bring is 20 (in SMACv2,
    the first episode of a game).

    A battle that nobody has won by ``episode_limit`` is truncated. A draw is not won. A game that loses its
    connection, or whose process dies, aborts its episode; the next ``reset`` begins another. Until an episode
    has ended, a ``reset`` after some steps launches the game anew, which is slow.

    Raises StarCraftUnavailable when the game cannot be started or fails for good.
    """

    def __init__(self, battle: Battle, n_envs: int, seed: int) -> None:
        self._games: list[_Played] = []
        self._closer = weakref.finalize(self, _close_all, self._games)  # also runs when Python exits
        kind = _HereGame if n_envs == 1 else _ProcessGame
        self._moments: list[_Moment] = []  # empty unless an episode has begun
        self._ended = [False] * n_envs
        try:
            for i in range(n_envs):
                self._games.append(kind(battle, seed + i))
            self._games[0].send("info")
            info: dict[str, int] = self._games[0].receive()
        except BaseException:
            self.close()
            raise
        self.spec = EnvSpec(
            name=battle.name,
            n_envs=n_envs,
            n_agents=info["n_agents"],
            n_actions=info["n_actions"],
            obs_size=info["obs_shape"],
            state_size=info["state_shape"],
            episode_limit=info["episode_limit"],
            has_wins=True,
        )

    def reset(self) -> Observation:
        """Begin an episode in every game; one in which nothing was played yet stays as it is."""
        if not self._closer.alive:
            raise RuntimeError(f"{self.spec.name} is closed; make a new environment.")
        self._moments = []  # stays so when a game fails or the call is interrupted
        begun = self._ask("reset", {e: () for e in range(self.spec.n_envs)})
        self._moments = [begun[e] for e in range(self.spec.n_envs)]
        self._ended = [False] * self.spec.n_envs
        return self._observation()

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Let every agent act once; ValueError names an unavailable action before anything reaches a game."""
        if not self._moments:
            raise RuntimeError(f"{self.spec.name} has no running episode; call reset() first.")
        joint = self._checked(actions)
        before, self._moments = self._moments, []
        now = self._ask("step", {e: (joint[e],) for e, ended in enumerate(self._ended) if not ended})
        self._moments = [now[e] if e in now else before[e].after() for e in range(self.spec.n_envs)]
        for e, moment in now.items():
            self._ended[e] = moment.terminated or moment.truncated or moment.aborted
        return Transition(
            self._observation(),
            torch.tensor([[m.reward] for m in self._moments], dtype=torch.float32),
            terminated=torch.tensor([[m.terminated] for m in self._moments]),
            truncated=torch.tensor([[m.truncated] for m in self._moments]),
            won=torch.tensor([[m.won] for m in self._moments]),
            aborted=torch.tensor([[m.aborted] for m in self._moments]),
        )

    def rng_state(self) -> dict[str, Tensor]:
        """Return nothing: StarCraft II keeps its randomness to itself and cannot be rewound."""
        return {}

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Accept the empty state that ``rng_state`` returned, and raise ValueError for any other."""
        if state:
            raise ValueError(f"StarCraft II has no random state to set, but got {sorted(state)}; pass {{}}.")

    def close(self) -> None:
        """End the games; closing twice is fine."""
        self._moments = []
        self._closer()

    def _ask(self, command: str, arguments: dict[int, tuple[Any, ...]]) -> dict[int, _Moment]:
        """Let the named games work side by side; raise the first failure once all have answered."""
        for e, argument in arguments.items():
            self._games[e].send(command, *argument)
        moments: dict[int, _Moment] = {}
        errors: list[StarCraftUnavailable] = []
        for e in arguments:
            try:
                moments[e] = self._games[e].receive()
            except StarCraftUnavailable as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return moments

    def _checked(self, actions: Tensor) -> Int[np.ndarray, "e n"]:
        spec = self.spec
        shape = (spec.n_envs, spec.n_agents)
        if tuple(actions.shape) != shape or actions.is_floating_point():
            raise ValueError(
                f"{spec.name}: actions are {actions.dtype} of shape {tuple(actions.shape)}; "
                f"pass integers of shape {shape}."
            )
        joint = np.asarray(actions.cpu(), dtype=np.int64)
        for e, moment in enumerate(self._moments):
            for n, available in enumerate(moment.avail_actions):
                choices = np.flatnonzero(available)
                if not self._ended[e] and joint[e, n] not in choices:
                    raise ValueError(
                        f"{spec.name}: agent {n} of environment {e} cannot take action {joint[e, n]} now; "
                        f"choose from {choices.tolist()}."
                    )
        return joint

    def _observation(self) -> Observation:
        return Observation(
            torch.tensor(np.stack([m.obs for m in self._moments])),
            torch.tensor(np.stack([m.state for m in self._moments])),
            torch.tensor(np.stack([m.avail_actions for m in self._moments])),
        )
