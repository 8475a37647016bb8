"""A stand-in for ``smac.env.StarCraft2Env``: its interface, its habits and its failures, and a small battle.

What it copies of the package (all of it observed there):

* ``reset`` launches the game until one episode has ended, and each time adds the enemies' health to ``max_reward``;
* ``step`` asserts that actions are available; after a lost connection it returns ``(0, True, {})``, with the game
  launched again and ``get_obs`` showing what was before; a launch that fails raises out of ``step``;
* a connection lost at the first observation of ``reset`` launches again and is a ``KeyError: 0`` the first time,
  and shows the battle before at any later time;
* a time limit is ``terminated`` like any other end; stepping after the end counts another battle;
* too many actions are a ``KeyError``, too few make ``get_state`` the wrong size;
* each failure to launch is the exception that pysc2 raises.

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
}


def settings() -> dict:
    return json.loads(os.environ.get("STAND_IN", "{}"))


class Unit:
    def __init__(self, x: float, y: float) -> None:
        self.x, self.y, self.health = x, y, HEALTH


class StarCraft2Env:
    def __init__(self, map_name="8m", seed=None) -> None:
        if map_name not in MAPS:
            raise KeyError(map_name)
        self.n_agents, self.n_enemies, self.episode_limit = MAPS[map_name]
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
            self.max_reward += self.n_enemies * HEALTH

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
        only_medivacs = self._episode_steps == self._set.get("only_medivacs_at")
        terminated = only_medivacs or not (mine and theirs)
        if terminated:
            if mine and not only_medivacs:
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
                hits.append(self.enemies[action - 6])
        hits += self._enemy_hits()
        for unit in hits:
            unit.health = max(0.0, unit.health - DAMAGE)
        damage = health - sum(u.health for u in self.enemies.values())
        return damage + 10 * (sum(u.health == 0 for u in self.enemies.values()) - dead)

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
            if enemy.health > 0 and alive:
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
        attack = [e.health > 0 and distance(unit, e) <= SHOOT for e in self.enemies.values()]
        return [int(a) for a in available + attack]

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
        return np.array([*features, me.health / HEALTH], dtype=np.float32)

    @staticmethod
    def _seen(me, other, flag):
        far = distance(me, other)
        if far >= SIGHT or other.health == 0:
            return [0.0] * 5
        return [flag, far / SIGHT, (other.x - me.x) / SIGHT, (other.y - me.y) / SIGHT, other.health / HEALTH]

    def get_obs(self):
        return [self.get_obs_agent(i) for i in range(self.n_agents)]

    def get_state(self):
        def place(u):
            return [(u.x - SIZE / 2) / SIZE, (u.y - SIZE / 2) / SIZE]

        allies = [[u.health / HEALTH, 0.0, *place(u)] if u.health else [0.0] * 4 for u in self.agents.values()]
        enemies = [[u.health / HEALTH, *place(u)] if u.health else [0.0] * 3 for u in self.enemies.values()]
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


def distance(a: Unit, b: Unit) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def install(folder, monkeypatch, **chosen) -> None:
    """Make ``import smac.env`` find the stand-in, here and in processes started from here."""
    package = folder / "site" / "smac"
    (package / "env").mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "env" / "__init__.py").write_text("from starcraft2_stand_in import StarCraft2Env\n")
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
