"""Episodes of a trained team, moment by moment, in one JSON file that a notebook or a page without a kernel can show.

The file, version 1. Lists are nested as the axes say: T steps (t), T + 1 moments (m), n agents, a actions, u units,
E hidden units of the mixer. Values are in units of the environment's rewards, numbers have seven digits, and what is
true or false is 1 or 0::

    format, version    "qmix_edu record", 1
    env, algorithm     their names
    gamma              the discount
    n_agents           n
    action_names       a names
    mixing             how the utilities become Q_tot: network, linear, opaque or none
    episodes           a list of
        won                1 or 0, null where the environment knows no winning
        truncated          1 where a time limit cut the episode
        reward             [t]
        returns_to_come    [t], sum_k gamma^k r_{t+k} to the end of the episode; nothing is added where it was cut
        utilities          [t][n][a]; those of unavailable actions too, which mean nothing
        avail_actions      [t][n][a]
        actions, greedy    [t][n], the chosen action, and the best one by the agent's utilities
        q_tot              [t], of the chosen joint action; null if mixing is none, as is
        weights            [t][n], dQ_tot/dQ_a at the utilities of the chosen actions
        mixer              w1 [t][n][E], b1 [t][E], w2 [t][E], v [t] if mixing is network, else null
        units              null, or where the units of SMAX stand and how they fare, allies (the agents) first:
            positions [m][u][2], health [m][u] as a share, cooldown [m][u] in seconds until the weapon is ready,
            alive [m][u], targets [t][u] (the unit that is shot, or -1), teams [u] (0 or 1), types [u]

``network`` is ``Q_tot = w2 . ELU(sum_a Q_a w1_a + b1) + v`` with the weights after their constraint, exactly what the
mixer computes; ``linear`` is ``Q_tot = q_tot + sum_a weights_a (Q_a - Q_a(chosen))``. With ``opaque`` Q_tot is known at
the chosen joint action only: QPLEX, for instance, depends on the actions beside their utilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from qmix_edu.battle_plots import UNIT_TYPES, Battle
from qmix_edu.files import write_text

FORMAT = "qmix_edu record"
VERSION = 1
MIXINGS = ("network", "linear", "opaque", "none")
NO_SURFACE = {
    "none": "Every agent has a value of its own and nothing mixes them, so there is no Q_tot; record vdn or qmix.",
    "opaque": "Here Q_tot depends on more than the utilities and the state, or by a formula that the record does not "
    "hold; it is known at the chosen joint action only.",
}
MAX_BYTES = 64 * 2**20  # thirty episodes of 60 steps of the largest battle, 27m_vs_30m
MAX_NAME = 200  # letters
MAX_AGENTS = 1000.0
LARGEST = 1e38  # about what single precision holds
_MIXER = {"w1": "tnE", "b1": "tE", "w2": "tE", "v": "t"}
_UNITS = {"positions": "mu2", "health": "mu", "cooldown": "mu"}
_AGAIN = "make it again with `qmix-edu record`"


class RecordError(ValueError):
    """A record that is missing, damaged, or of something else."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode of T steps (t); the fields are those of the file. ``battle`` holds its units, where there are any."""

    mixing: str
    won: bool | None
    truncated: bool
    reward: Float[np.ndarray, " t"]
    returns_to_come: Float[np.ndarray, " t"]
    utilities: Float[np.ndarray, "t n a"]
    avail_actions: Bool[np.ndarray, "t n a"]
    actions: Int[np.ndarray, "t n"]
    greedy: Int[np.ndarray, "t n"]
    q_tot: Float[np.ndarray, " t"] | None
    weights: Float[np.ndarray, "t n"] | None
    mixer: dict[str, NDArray[np.float64]] | None
    battle: Battle | None

    @property
    def steps(self) -> int:
        """How many steps the episode took."""
        return len(self.reward)

    def chosen(self, step: int) -> Float[np.ndarray, " n"]:
        """Return the utilities of the chosen actions."""
        return np.take_along_axis(self.utilities[step], self.actions[step][:, None], axis=1)[:, 0]

    def mix(self, step: int, utilities: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b"]:
        """Return Q_tot of any utilities of the agents at the state of one step.

        Raises ValueError where the record does not say how they are mixed.
        """
        if self.mixer is not None:
            w1, b1, w2, v = (self.mixer[name][step] for name in _MIXER)
            z = utilities @ w1 + b1
            return np.asarray(np.where(z > 0, z, np.expm1(np.minimum(z, 0))) @ w2 + v)
        if self.mixing != "linear" or self.q_tot is None or self.weights is None:
            raise ValueError(NO_SURFACE[self.mixing])
        return np.asarray(self.q_tot[step] + (utilities - self.chosen(step)) @ self.weights[step])


@dataclass(frozen=True)
class Record:
    """Some episodes of one team."""

    env: str
    algorithm: str
    gamma: float
    n_agents: int
    action_names: list[str]
    episodes: list[RecordedEpisode]

    @property
    def mixing(self) -> str:
        """How the utilities become Q_tot."""
        return self.episodes[0].mixing

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        header = {name: getattr(self, name) for name in ("env", "algorithm", "gamma", "n_agents", "action_names")}
        episodes = [_episode_to_json(episode) for episode in self.episodes]
        return {"format": FORMAT, "version": VERSION, **header, "mixing": self.mixing, "episodes": episodes}

    @classmethod
    def from_json(cls, content: object) -> Record:
        """Check every part of a record and return it; RecordError says in one sentence what is wrong."""
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            _refuse(f"This is no record of episodes (its format is not {FORMAT!r}); {_AGAIN}.")
        record = cast("dict[str, Any]", content)
        if record.get("version") != VERSION:
            found = _quoted(record.get("version"))
            _refuse(f"The record has version {found}, and this program reads version {VERSION}; {_AGAIN}.")
        names, rows = (_list(record, name, "The record") for name in ("action_names", "episodes"))
        n_agents = _number(record, "n_agents", "The record", 1.0, MAX_AGENTS, whole=True)
        mixing = _one_of(record, "mixing", "The record", MIXINGS)
        sizes = {"n": int(n_agents), "a": len(names)}
        return cls(
            env=_text(record.get("env"), "The record's env"),
            algorithm=_text(record.get("algorithm"), "The record's algorithm"),
            gamma=_number(record, "gamma", "The record", 0.0, 1.0),
            n_agents=int(n_agents),
            action_names=[_text(name, "An action's name") for name in names],
            episodes=[_episode(row, f"Episode {k + 1}", sizes, mixing, record) for k, row in enumerate(rows)],
        )


def save_record(record: Record, path: Path) -> None:
    """Write a record whole or not at all.

    Raises ValueError where it would be larger than :func:`load_record` reads, OSError where it cannot be written.
    """
    text = json.dumps(record.to_json(), separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_BYTES:
        raise ValueError(
            f"{len(record.episodes)} episodes make a record of {len(text) / 2**20:.0f} MB, and {MAX_BYTES >> 20} are "
            "the most; record fewer."
        )
    write_text(path, text)


def load_record(path: Path | str) -> Record:
    """Read and check a record.

    Raises RecordError, in one sentence, for a file that is missing, too large, not JSON, or not a whole record.
    """
    path = Path(path)
    if not path.is_file():
        _refuse(f"There is no record {path}; make one with `qmix-edu record`.")
    if path.stat().st_size > MAX_BYTES:
        _refuse(f"{path} has {path.stat().st_size >> 20} MB, and a record has {MAX_BYTES >> 20} at most; {_AGAIN}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_a_number)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON and so no record of episodes; {_AGAIN}.") from error
    return Record.from_json(content)


def short(values: Any) -> NDArray[np.float64]:
    """Return numbers of seven digits: as many as single precision has, and no longer than that in a file."""
    return np.vectorize(lambda x: float(f"{x:.7g}"), otypes=[float])(values)


# --- writing -------------------------------------------------------------------------------------------------


def _episode_to_json(episode: RecordedEpisode) -> dict[str, Any]:
    listed = {
        name: None if value is None else _plain(value)
        for name, value in vars(episode).items()
        if name not in ("mixing", "mixer", "battle")
    }
    mixer = None if episode.mixer is None else {name: _plain(values) for name, values in episode.mixer.items()}
    return {**listed, "mixer": mixer, "units": None if episode.battle is None else _units_to_json(episode.battle)}


def _units_to_json(battle: Battle) -> dict[str, Any]:
    names = ("positions", "health", "cooldown", "alive", "targets", "teams")
    return {**{name: _plain(getattr(battle, name)) for name in names}, "types": list(battle.types)}


def _plain(values: Any) -> Any:
    array = np.asarray(values)
    return (array.astype(int) if array.dtype == bool else array).tolist()


# --- reading -------------------------------------------------------------------------------------------------


def _episode(
    row: object, where: str, header: Mapping[str, int], mixing: str, record: dict[str, Any]
) -> RecordedEpisode:
    episode = _mapping(row, where)
    steps = len(_list(episode, "reward", where))
    sizes = {**header, "t": steps, "m": steps + 1}

    def numbers(name: str, axes: str, low: float = -LARGEST, high: float = LARGEST, whole: bool = False) -> Any:
        return _array(episode, name, where, axes, sizes, low, high, whole)

    mixed = mixing != "none"
    available = numbers("avail_actions", "tna", 0.0, 1.0, whole=True).astype(bool)
    actions, greedy = (numbers(name, "tn", 0.0, sizes["a"] - 1.0, whole=True) for name in ("actions", "greedy"))
    for name, choice in (("actions", actions), ("greedy", greedy)):
        if not np.take_along_axis(available, choice[..., None], axis=2).all():
            _refuse(f"{where}: {name} holds an action that is not available; {_AGAIN}.")
    won = None if episode.get("won") is None else bool(_number(episode, "won", where, 0.0, 1.0, whole=True))
    return RecordedEpisode(
        mixing=mixing,
        won=won,
        truncated=bool(_number(episode, "truncated", where, 0.0, 1.0, whole=True)),
        reward=numbers("reward", "t"),
        returns_to_come=numbers("returns_to_come", "t"),
        utilities=numbers("utilities", "tna"),
        avail_actions=available,
        actions=actions,
        greedy=greedy,
        q_tot=numbers("q_tot", "t") if mixed else None,
        weights=numbers("weights", "tn") if mixed else None,
        mixer=_mixer(episode.get("mixer"), where, sizes) if mixing == "network" else None,
        battle=None if episode.get("units") is None else _battle(episode, where, sizes, bool(won), record),
    )


def _mixer(content: object, where: str, sizes: Mapping[str, int]) -> dict[str, NDArray[np.float64]]:
    mixer, where = _mapping(content, f"{where}: mixer"), f"{where}: mixer"
    first = _list(mixer, "b1", where)[0]
    sizes = {**sizes, "E": len(cast("list[Any]", first)) if isinstance(first, list) else 0}
    return {name: _array(mixer, name, where, axes, sizes) for name, axes in _MIXER.items()}


def _battle(
    episode: Mapping[str, Any], where: str, sizes: Mapping[str, int], won: bool, record: dict[str, Any]
) -> Battle:
    units, where = _mapping(episode["units"], f"{where}: units"), f"{where}: units"
    types = _list(units, "types", where)
    if not set(map(str, types)) <= set(UNIT_TYPES):
        _refuse(f"{where} has a type that is none of {', '.join(UNIT_TYPES)}; {_AGAIN}.")
    u = len(types)
    sizes = {**sizes, "u": u}
    teams = _array(units, "teams", where, "u", sizes, 0.0, 1.0, whole=True)
    if teams.tolist() != [0] * sizes["n"] + [1] * (u - sizes["n"]):
        _refuse(f"{where}: teams are not the {sizes['n']} agents first and then their enemies; {_AGAIN}.")
    floats = {name: _array(units, name, where, axes, sizes) for name, axes in _UNITS.items()}
    return Battle(
        map_name=str(record["env"]),
        targets=_array(units, "targets", where, "tu", sizes, -1.0, u - 1.0, whole=True),
        reward=np.asarray(episode["reward"], dtype=float),
        alive=_array(units, "alive", where, "mu", sizes, 0.0, 1.0, whole=True).astype(bool),
        teams=teams,
        types=tuple(types),
        won=won,
        **floats,
    )


def _array(
    content: Mapping[str, Any],
    name: str,
    where: str,
    axes: str,
    sizes: Mapping[str, int],
    low: float = -LARGEST,
    high: float = LARGEST,
    whole: bool = False,
) -> NDArray[Any]:
    """Return one nested list as an array, or refuse it: another shape, not a number, outside of low to high."""
    if content.get(name) is None:
        _refuse(f"{where} has no {name}; {_AGAIN}.")
    expected = tuple(sizes[axis] if axis in sizes else int(axis) for axis in axes)
    try:
        array = np.asarray(content[name])
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iuf" or array.shape != expected:
        shape = f"has shape {list(array.shape)}" if array.dtype.kind in "iuf" else "holds something else than numbers"
        _refuse(f"{where}: {name} {shape}, expected numbers of shape {list(expected)}; {_AGAIN}.")
    if not np.isfinite(array).all():
        _refuse(f"{where}: {name} holds a number that is not finite; {_AGAIN}.")
    if (array < low).any() or (array > high).any() or (whole and (array != np.round(array)).any()):
        kind = "whole numbers" if whole else "numbers"
        _refuse(f"{where}: {name} holds a number that is none of the {kind} from {low:g} to {high:g}; {_AGAIN}.")
    return array.astype(int if whole else float)


def _number(content: Mapping[str, Any], name: str, where: str, low: float, high: float, whole: bool = False) -> float:
    return float(_array(content, name, where, "", {}, low, high, whole))


def _mapping(content: object, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        _refuse(f"{where} is missing or has no parts with names; {_AGAIN}.")
    return cast("dict[str, Any]", content)


def _list(content: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list) or not value:
        _refuse(f"{where} has no list {name}, or an empty one; {_AGAIN}.")
    return cast("list[Any]", value)


def _one_of(content: Mapping[str, Any], name: str, where: str, known: Sequence[str]) -> str:
    if content.get(name) not in known:
        _refuse(f"{where} has {name} {_quoted(content.get(name))}, expected one of {', '.join(known)}; {_AGAIN}.")
    return cast("str", content[name])


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        _refuse(f"{what} is {_quoted(value)}, expected text of 1 to {MAX_NAME} letters; {_AGAIN}.")
    return value


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _not_a_number(name: str) -> NoReturn:
    _refuse(f"The record holds {name}, which is no number; {_AGAIN}.")


def _refuse(sentence: str) -> NoReturn:
    raise RecordError(sentence)
