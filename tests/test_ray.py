"""A sweep on a real Ray cluster of two nodes, of which one dies on the way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sweep_driver import QUICK

from qmix_edu import checkpoint
from qmix_edu.pools import RayPool
from qmix_edu.runs import Run
from qmix_edu.sweep import Sweep

ray = pytest.importorskip("ray", reason="ray is not installed (extra `cluster`)")
from ray.cluster_utils import Cluster  # noqa: E402

LONG = [replace(QUICK, seed=seed, steps=4000, train=replace(QUICK.train, log_interval=40)) for seed in range(3)]


def patiently(start: Callable[[], Any]) -> Any:
    """Try up to three times: Ray gives its processes 30 seconds to come up, and a busy machine may take longer."""
    for _ in range(2):
        try:
            return start()
        except Exception as error:
            print(f"Ray did not start: {error}")
            ray.shutdown()
    return start()


@pytest.fixture
def cluster():
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    yield cluster
    cluster.shutdown()


def test_a_node_is_killed_and_its_run_goes_on_elsewhere(cluster, tmp_path):
    """The results are those of runs that nobody disturbed, bit by bit."""
    second = patiently(lambda: cluster.add_node(num_cpus=1))
    sweep, pool, killed = Sweep(tmp_path / "sweep", LONG), RayPool(cluster.address), False
    for done in sweep.complete(pool):
        if not killed and done > 1000 and all(run.logged() for run in list(sweep.runs.values())[:2]):
            cluster.remove_node(second, allow_graceful=False)
            killed = True
    pool.close()
    assert killed and sweep.failures == {}
    for settings, run in zip(LONG, sweep.runs.values(), strict=True):
        assert run.evaluated
        whole = Run.create(tmp_path / f"whole-{settings.seed}", settings)
        list(whole.train())
        one, other = (checkpoint.load(each.folder / "policy.pt")["online"] for each in (run, whole))
        assert all(one[name].equal(other[name]) for name in one)
        steps = [line["env_steps"] for line in run.logged()]
        assert steps == sorted(set(steps)) == [line["env_steps"] for line in whole.logged()]


def test_stopped_on_ray(tmp_path):
    """Running tasks save; those that wait are dropped."""
    pool = patiently(lambda: RayPool("local"))
    endless = Sweep(tmp_path / "sweep", [replace(one, steps=10**7) for one in LONG])
    for done in endless.complete(pool):
        if done > 200:
            endless.stop()
    pool.close()
    assert endless.failures == {}
    begun = [run for run in endless.runs.values() if run.logged()]
    assert begun and all((run.folder / "resume.pt").exists() for run in begun)


def test_no_cluster_at_an_address():
    with pytest.raises(ValueError, match=r"There is no Ray cluster at '127.0.0.1:1'; start one with"):
        RayPool("127.0.0.1:1")
