"""A stand-in for ``smac.env.StarCraft2Env`` and for SMACv2's wrapper: interface, habits, failures, a small battle.

What it copies of the package (all of it observed there):

* ``reset`` launches the game until one episode has ended, and each time adds the enemies' health to ``max_reward``;
* ``step`` asserts that actions are available; after a lost connection it returns ``(0, True, {})``, with the game
  launched again and ``get_obs`` showing what was before; a launch that fails raises out of ``step``;
* a connection lost at the first observation of ``reset`` launches again and is a ``KeyError: 0`` the first time,
  and shows the battle before at any later time;
* a time limit is ``terminated`` like any other end; stepping after the end counts another battle;
* too many actions are a ``KeyError``, too few make ``get_state`` the wrong size;
* each failure to launch is the exception that pysc2 raises.

Of SMACv2 (read in its source, commit 9dabb98, and not observed):

* the wrapper writes ``env_key``, ``n_units`` and ``n_enemies`` into the parts of its ``capability_config``, from where
  the environment inside takes its sizes; it hands on every attribute that it has not;
* ``reset`` draws teams and positions from generators without a seed, and once more if the units do not appear;
* ``max_reward`` counts the health of the first battle's enemies alone; medivacs heal allies, and alone have lost.

Settings travel in the environment variable STAND_IN (JSON), so that they reach processes too; everything that
happens is a line of the file STAND_IN_LOG: the process, the seed of the env, and the event.
"""

from __future__ import annotations

import json
import os
import signal

import numpy as np

# agents, enemies, limit: marines only, whose sizes follow from these
MAPS = {"3m": (3, 3, 60), "8m": (8, 8, 120), "5m_vs_6m": (5, 6, 70)}
HEALTH, DAMAGE, SHOOT, SIGHT, SIZE, MOVE = 45.0, 9.0, 6.0, 9.0, 32.0, 2.0


def error_like(name: str, module: str) -> type[Exception]:
    """Return an exception class that looks like pysc2's."""
    return type(name, (Exception,), {"__module__": module})


SC2LaunchError = error_like("SC2LaunchError", "pysc2.lib.sc_process")
ConnectError = error_like("ConnectError", "pysc2.lib.remote_controller")
RequestError = error_like("RequestError", "pysc2.lib.remote_controller")
DuplicateMapError = error_like("DuplicateMapError", "pysc2.maps.lib")
Lost = error_like("ConnectionError", "pysc2.lib.protocol")

LAUNCH_FAILURES = {
    "no folder": lambda: FileNotFoundError(2, "No such file or directory", "/home/a/StarCraftII/Versions"),
    "empty Versions": lambda: SC2LaunchError("No SC2 Versions found in /home/a/StarCraftII/Versions"),
    "no binary": lambda: SC2LaunchError("No SC2 binary found at: /home/a/StarCraftII/Versions/Base75689/SC2_x64"),
    "not executable": lambda: RuntimeError("Trying to run '/home/a/SC2_x64', but it isn't executable."),
    "no map": lambda: ValueError("Map '3m' not found."),
    "exits early": lambda: ConnectError("The game process exited before\nit could be reached."),
    "refused": lambda: RequestError("Could not create the game: InvalidMapData"),
    "lost": lambda: Lost("Connection already closed."),
    "both packages": lambda: DuplicateMapError("Duplicate map found: 3m"),
}


def settings() -> dict:
    return json.loads(os.environ.get("STAND_IN", "{}"))


class Unit:
    def __init__(self, x: float, y: float, kind="marine", most=HEALTH) -> None:
        self.x, self.y, self.kind, self.health, self.most = x, y, kind, most, most


def fighters(units: dict[int, Unit]) -> bool:
    return any(u.health > 0 and u.kind != "medivac" for u in units.values())


class StarCraft2Env:
    def __init__(self, map_name="8m", seed=None) -> None:
        self.n_agents, self.n_enemies, self.episode_limit = self._sizes(map_name)
        self.n_actions = 6 + self.n_enemies
        self.max_reward = self.n_enemies * 10 + 200
        self.battles_game = self.battles_won = self.timeouts = self.force_restarts = 0
        self.agents: dict[int, Unit] = {}
        self.enemies: dict[int, Unit] = {}
        self._seed = seed
        self._episode_count = self._episode_steps = self._resets = self._total_steps = 0
        self._running = False
        self._set = settings()
        self._log("build")

    def _sizes(self, map_name):
        return MAPS[map_name]

    def _log(self, event: str) -> None:
        with open(os.environ["STAND_IN_LOG"], "a") as file:
            file.write(f"{os.getpid()} {self._seed} {event}\n")

    def _happened(self, event: str) -> int:
        """Count an event of this env's seed, over all its builds."""
        with open(os.environ["STAND_IN_LOG"]) as file:
            return sum(line.split(" ", 1)[1].strip() == f"{self._seed} {event}" for line in file)

    def _due(self, setting: str, event: str) -> bool:
        """Say whether a setting (a list of counts, starting at 1) names this occurrence of the event."""
        return self._happened(event) in self._set.get(setting, [])

    def _launch(self) -> None:
        self._log("launch")
        failure = self._set.get("launch_failure")
        if failure and self._happened("launch") >= self._set.get("launch_failure_from", 1):
            self._running = failure == "no map"  # by then the program runs already
            raise LAUNCH_FAILURES[failure]()
        self._running = True
        self._random = np.random.default_rng([self._seed or 0, self._episode_count])

    def _full_restart(self) -> None:
        self._log("connection lost")
        self._running = False
        self._launch()
        self.force_restarts += 1

    def reset(self):
        self._log("reset")
        self._episode_steps = 0
        if self._episode_count == 0:
            self._launch()
        self.last_action = np.zeros((self.n_agents, self.n_actions))
        if self._due("lose_at_reset", "reset"):
            self._full_restart()
        else:
            self._init_units()
        return self.get_obs(), self.get_state()

    def _init_units(self) -> None:
        def line(n, x):
            return {i: Unit(x + self._random.uniform(-1, 1), SIZE / 2 + i - n / 2) for i in range(n)}

        self.agents, self.enemies = line(self.n_agents, 9.0), line(self.n_enemies, 20.0)
        if self._episode_count == 0:
            self.max_reward += sum(u.most for u in self.enemies.values())

    def step(self, actions):
        actions = [int(a) for a in actions]
        self.last_action = np.eye(self.n_actions)[np.array(actions)]
        for i, action in enumerate(actions):
            assert self.get_avail_agent_actions(i)[action] == 1, f"Agent {i} cannot perform action {action}"
        self._log("step " + " ".join(map(str, actions)))
        self._total_steps += 1
        if self._total_steps in self._set.get("die_at_step", []) and self._happened("build") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._total_steps in self._set.get("lose_at_step", []) and self._happened("build") == 1:
            self._full_restart()
            return 0, True, {}
        self._episode_steps += 1
        reward = self._battle(actions)
        mine = sum(u.health > 0 for u in self.agents.values())
        theirs = sum(u.health > 0 for u in self.enemies.values())
        info = {
            "battle_won": False,
            "dead_allies": self.n_agents - mine,
            "dead_enemies": self.n_enemies - theirs,
        }
        # on maps with medivacs a team of which only those are left has lost
        only_medivacs = self._episode_steps == self._set.get("only_medivacs_at") or not fighters(self.agents)
        terminated = only_medivacs or not fighters(self.enemies)
        if terminated:
            if not only_medivacs:
                self.battles_won += 1
                info["battle_won"] = True
                reward += 200
        elif self._episode_steps >= self.episode_limit:
            terminated = True
            self.timeouts += 1
        if terminated:
            self.battles_game += 1
            self._episode_count += 1
            self._log(f"episode ended, max_reward {self.max_reward:g}")
        return reward / (self.max_reward / 20), terminated, info

    def _battle(self, actions) -> float:
        health = sum(u.health for u in self.enemies.values())
        dead = sum(u.health == 0 for u in self.enemies.values())
        hits = []
        for i, action in enumerate(actions):
            unit = self.agents[i]
            if 2 <= action <= 5:
                dx, dy = ((0, 1), (0, -1), (1, 0), (-1, 0))[action - 2]
                unit.x, unit.y = unit.x + MOVE * dx, unit.y + MOVE * dy
            elif action >= 6:
                hits += self._use(unit, action - 6)
        hits += self._enemy_hits()
        for unit in hits:
            unit.health = max(0.0, unit.health - DAMAGE)
        damage = health - sum(u.health for u in self.enemies.values())
        return damage + 10 * (sum(u.health == 0 for u in self.enemies.values()) - dead)

    def _use(self, unit, target) -> list[Unit]:
        return [self.enemies[target]]

    def _in_range(self, unit):
        return [e.health > 0 and distance(unit, e) <= SHOOT for e in self.enemies.values()]

    def _enemy_hits(self) -> list[Unit]:
        way = self._set.get("enemy", "attacks")
        if way == "waits":
            return []
        alive = [u for u in self.agents.values() if u.health > 0]
        if way == "draws":  # everybody dies in the third step
            everybody = [*self.agents.values(), *self.enemies.values()]
            return everybody * 5 if self._episode_steps == 3 else []
        hits = []
        for enemy in self.enemies.values():
            if enemy.health > 0 and alive and enemy.kind != "medivac":
                nearest = min(alive, key=lambda u: distance(u, enemy))
                if distance(nearest, enemy) <= SHOOT:
                    if self._random.random() < 0.5:
                        hits.append(nearest)
                else:
                    enemy.x += np.sign(nearest.x - enemy.x)
                    enemy.y += np.sign(nearest.y - enemy.y)
        return hits

    def get_avail_agent_actions(self, agent):
        unit = self.agents[agent]
        if unit.health == 0:
            return [1] + [0] * (self.n_actions - 1)
        available = [0, 1, unit.y + MOVE < SIZE, unit.y - MOVE > 0, unit.x + MOVE < SIZE, unit.x - MOVE > 0]
        return [int(a) for a in available + self._in_range(unit)]

    def get_avail_actions(self):
        return [self.get_avail_agent_actions(i) for i in range(self.n_agents)]

    def get_obs_agent(self, agent):
        me = self.agents[agent]
        if me.health == 0:
            return np.zeros(self.get_obs_size(), dtype=np.float32)
        available = self.get_avail_agent_actions(agent)
        features = [*available[2:6]]
        for i, enemy in self.enemies.items():
            features += self._seen(me, enemy, available[6 + i])
        for i, ally in self.agents.items():
            if i != agent:
                features += self._seen(me, ally, 1)
        return np.array([*features, me.health / me.most], dtype=np.float32)

    @staticmethod
    def _seen(me, other, flag):
        far = distance(me, other)
        if far >= SIGHT or other.health == 0:
            return [0.0] * 5
        return [flag, far / SIGHT, (other.x - me.x) / SIGHT, (other.y - me.y) / SIGHT, other.health / other.most]

    def get_obs(self):
        return [self.get_obs_agent(i) for i in range(self.n_agents)]

    def get_state(self):
        def place(u):
            return [(u.x - SIZE / 2) / SIZE, (u.y - SIZE / 2) / SIZE]

        allies = [[u.health / u.most, 0.0, *place(u)] if u.health else [0.0] * 4 for u in self.agents.values()]
        enemies = [[u.health / u.most, *place(u)] if u.health else [0.0] * 3 for u in self.enemies.values()]
        state = np.concatenate([np.ravel(allies), np.ravel(enemies), self.last_action.ravel()])
        return state.astype(np.float32)

    def get_obs_size(self):
        return 4 + 5 * self.n_enemies + 5 * (self.n_agents - 1) + 1

    def get_env_info(self):
        return {
            "state_shape": 4 * self.n_agents + 3 * self.n_enemies + self.n_agents * self.n_actions,
            "obs_shape": self.get_obs_size(),
            "n_actions": self.n_actions,
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
        }

    def seed(self):
        return self._seed

    def close(self):
        self._log("close running" if self._running else "close")
        self._running = False


# health and shield together (the stand-in makes no difference between them), and the range of fire
KINDS = {
    "protoss": {"stalker": (160.0, 6.0), "zealot": (150.0, 2.0), "colossus": (350.0, 7.0)},
    "terran": {"marine": (45.0, 5.0), "marauder": (125.0, 6.0), "medivac": (150.0, 4.0)},
    "zerg": {"zergling": (35.0, 2.0), "hydralisk": (90.0, 5.0), "baneling": (30.0, 2.0)},
}


class CannotResetException(Exception):
    """The units of a battle did not appear."""


class GeneratedEnv(StarCraft2Env):
    """SMACv2's own ``StarCraft2Env``, which the wrapper holds; its ``reset`` is told who fights and where."""

    def __init__(self, map_name="8m", seed=None, obs_own_pos=False, use_unit_ranges=False, capability_config=None):
        self._config = capability_config
        assert obs_own_pos and use_unit_ranges, "the sizes and ranges below are those of the paper's settings"
        super().__init__(map_name, seed)

    def _sizes(self, map_name):
        self._kinds = {f"10gen_{race}": kinds for race, kinds in KINDS.items()}[map_name]
        self._shield = int("stalker" in self._kinds)
        team = self._config["team_gen"]
        return team["n_units"], team["n_enemies"], 200

    def reset(self, episode_config):
        self._told = episode_config
        return super().reset()

    def _init_units(self) -> None:
        def units(side):
            kinds, places = self._told["team_gen"][f"{side}_team"], self._told[f"{side}_start_positions"]["item"]
            return {i: Unit(*places[i], kind, self._kinds[kind][0]) for i, kind in enumerate(kinds)}

        self.agents, self.enemies = units("ally"), units("enemy")
        if self._episode_count == 0:
            self.max_reward += sum(u.most for u in self.enemies.values())
        self._log(f"teams {' '.join(u.kind for u in [*self.agents.values(), *self.enemies.values()])}")
        if self._due("units_missing_at", "reset"):
            raise CannotResetException("waited for units to spawn and they didn't")

    def _use(self, unit, target) -> list[Unit]:
        if unit.kind != "medivac":
            return super()._use(unit, target)
        self.agents[target].health = min(self.agents[target].most, self.agents[target].health + DAMAGE)
        return []

    def _in_range(self, unit):
        medic = unit.kind == "medivac"
        targets = [u for u in (self.agents if medic else self.enemies).values()]
        near = [
            u.health > 0 and distance(unit, u) <= self._kinds[unit.kind][1] and not (medic and u.kind == "medivac")
            for u in targets
        ]
        return near + [False] * (self.n_enemies - len(near))

    def _kind_of(self, unit):
        shown = [float(unit.kind == kind) for kind in self._kinds]
        return ([unit.health / unit.most] * self._shield + shown) if unit.health else [0.0] * (self._shield + 3)

    def _seen(self, me, other, flag):
        seen = super()._seen(me, other, flag)
        return seen + (self._kind_of(other) if any(seen) else [0.0] * (self._shield + 3))

    def get_obs_agent(self, agent):
        me = self.agents[agent]
        if me.health == 0:
            return np.zeros(self.get_obs_size(), dtype=np.float32)
        own = np.array([me.x / SIZE, me.y / SIZE, *self._kind_of(me)], dtype=np.float32)
        return np.concatenate([super().get_obs_agent(agent), own])

    def get_state(self):
        kinds = [self._kind_of(u) for u in [*self.agents.values(), *self.enemies.values()]]
        return np.concatenate([super().get_state(), np.ravel(kinds)]).astype(np.float32)

    def get_obs_size(self):
        more = 3 + self._shield  # of each unit; of oneself also the position
        return super().get_obs_size() + more * (self.n_agents + self.n_enemies) + 2

    def get_env_info(self):
        info = super().get_env_info()
        info["state_shape"] += (3 + self._shield) * (self.n_agents + self.n_enemies)
        return info


class StarCraftCapabilityEnvWrapper:
    """SMACv2's wrapper around an environment, which it holds; it draws what every battle begins with."""

    def __init__(self, **arguments) -> None:
        self._config = arguments["capability_config"]
        for key in ("team_gen", "start_positions"):
            assert "env_key" not in self._config[key], "a config that another game has written into"
            sizes = {name: self._config[name] for name in ("n_units", "n_enemies")}
            self._config[key].update(env_key=key, **sizes)
        self.env = GeneratedEnv(**arguments)

    def __getattr__(self, name):
        return getattr(self.env, name)

    def reset(self):
        try:
            return self.env.reset({**self._teams(), **self._positions()})
        except CannotResetException:
            self.reset()

    def _teams(self):
        config, random = self._config["team_gen"], np.random.default_rng()

        def team(n):
            while True:
                drawn = list(random.choice(config["unit_types"], size=n, p=config["weights"]))
                if not all(kind in config["exception_unit_types"] for kind in drawn):
                    return drawn

        mine, more = team(config["n_units"]), config["n_enemies"] - config["n_units"]
        return {"team_gen": {"ally_team": mine, "enemy_team": mine + (team(more) if more else []), "id": 0}}

    def _positions(self):
        config, random = self._config["start_positions"], np.random.default_rng()
        assert config["dist_type"] == "surrounded_and_reflect"
        size = np.array([config["map_x"], config["map_y"]], dtype=float)
        if random.random() > config["p"]:
            mine = np.tile(size / 2, (config["n_units"], 1))
            theirs = size * random.integers(0, 2, (config["n_enemies"], 2))
        else:
            theirs = random.uniform(size * [0.5, 0], size, (config["n_enemies"], 2))
            mine = theirs[: config["n_units"]] * [-1, 1] + [size[0], 0]
        return {"ally_start_positions": {"item": mine}, "enemy_start_positions": {"item": theirs}}


def distance(a: Unit, b: Unit) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def install(folder, monkeypatch, **chosen) -> None:
    """Make ``smac.env`` and ``smacv2.env`` the stand-in, here and in processes started from here."""
    for name, env in {"smac": "StarCraft2Env", "smacv2": "StarCraftCapabilityEnvWrapper"}.items():
        package = folder / "site" / name
        (package / "env").mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "env" / "__init__.py").write_text(f"from starcraft2_stand_in import {env}\n")
    monkeypatch.syspath_prepend(os.path.dirname(os.path.abspath(__file__)))
    monkeypatch.syspath_prepend(str(folder / "site"))
    (folder / "log").touch()
    monkeypatch.setenv("STAND_IN_LOG", str(folder / "log"))
    choose(monkeypatch, **chosen)


def choose(monkeypatch, **chosen) -> None:
    """Set what the games built from now on do."""
    monkeypatch.setenv("STAND_IN", json.dumps(chosen))


def events(folder) -> list[str]:
    """Return what happened, without process and seed."""
    return [line.split(" ", 2)[2] for line in (folder / "log").read_text().splitlines()]
