import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qmix_edu import plots
from qmix_edu.mixers import QMixer, UnconstrainedMixer
from qmix_edu.widgets import LandscapeExplorer, mixer_parameters, q_tot_surface
from qmix_edu.widgets.landscape import constrain
from qmix_edu.widgets.modules import esm

UTILITIES = [[[0.0, 1.0, 2.0], [1.5, -0.5]]]
CIVIDIS_ROW = re.compile(r"\[(\d+), (\d+), (\d+)\]")


def raw(seed: int, n_states: int = 2, embed: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "w1": (n_states, 2, embed),
        "b1": (n_states, embed),
        "w2": (n_states, embed),
        "v": (n_states,),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def explorer(seed: int = 0, **changes) -> LandscapeExplorer:
    return LandscapeExplorer(**{**raw(seed), "utilities": UTILITIES, **changes})


class TorchMixer(nn.Module):
    """Hypernetworks of one linear layer each, written apart from the package."""

    def __init__(self, state_size: int, embed: int):
        super().__init__()
        self.embed = embed
        self.heads = nn.Linear(state_size, 4 * embed + 1)

    def raw_parameters(self, state):
        w1, b1, w2, v = self.heads(state).split([2 * self.embed, self.embed, self.embed, 1], dim=-1)
        return {"w1": w1.view(-1, 2, self.embed), "b1": b1, "w2": w2, "v": v}

    def forward(self, q, state):
        p = self.raw_parameters(state)
        hidden = nn.functional.elu(torch.einsum("ki,kie->ke", q, p["w1"].abs()) + p["b1"])
        return (hidden * p["w2"].abs()).sum(-1, keepdim=True) + p["v"]


def test_surface_equals_a_torch_mixer():
    torch.manual_seed(0)
    mixer, state = TorchMixer(3, 4).double(), torch.randn(1, 3).double()
    p = {name: value[0] for name, value in mixer_parameters(mixer, state).items()}
    q1, q2 = np.linspace(-2, 2, 5), np.linspace(-1, 3, 7)
    grid = torch.tensor(np.stack(np.meshgrid(q1, q2, indexing="ij"), -1).reshape(-1, 2))
    expected = mixer(grid, state.expand(len(grid), 3)).detach().numpy().reshape(5, 7)
    surface = q_tot_surface(p["w1"], p["b1"], p["w2"], p["v"].item(), q1, q2, "abs")
    np.testing.assert_allclose(surface, expected, atol=1e-12)


def test_surface_of_one_unit_by_hand():
    surface = q_tot_surface([[1.0], [-2.0]], [0.5], [3.0], 1.0, [0.0, 1.0], [0.0, 1.0], "none")
    elu = lambda z: z if z > 0 else np.exp(z) - 1  # noqa: E731
    expected = [[1 + 3 * elu(0.5), 1 + 3 * elu(-1.5)], [1 + 3 * elu(1.5), 1 + 3 * elu(-0.5)]]
    np.testing.assert_allclose(surface, expected)


def test_constraints():
    w = np.array([-800.0, -1, 0, 1, 800])
    np.testing.assert_array_equal(constrain(w, "abs"), np.abs(w))
    np.testing.assert_array_equal(constrain(w, "none"), w)
    np.testing.assert_allclose(constrain(w, "softplus"), [0, np.log1p(np.exp(-1)), np.log(2), np.log1p(np.e), 800])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["abs", "softplus"]))
def test_constrained_mixers_never_fall_and_keep_igm(seed, constraint):
    view = explorer(seed, constraint=constraint)
    for view.state in (0, 1):
        result = view.result()
        assert result["violations"] == 0
        assert result["best_value"] <= result["greedy_value"] + 1e-9
        assert result["greedy"] == [[2, 0]]


def test_some_signed_mixers_fall_and_some_do_not():
    counts = []
    for seed in range(30):
        view = explorer(seed, constraint="none")
        counts.append(view.result()["violations"])
    assert any(c > 0 for c in counts)
    signed_but_monotone = explorer(w1=np.array([[[1, -0.1], [1, 1]]] * 2), b1=np.zeros((2, 2)), w2=np.ones((2, 2)))
    signed_but_monotone.constraint = "none"
    assert signed_but_monotone.result()["violations"] == 0


def test_violations_are_counted_along_both_axes():
    # Q_tot = -Q_1 where z > 0: every step along Q_1 falls, none along Q_2.
    view = explorer(w1=[[[-1.0], [0.0]]], b1=[[100.0]], w2=[[1.0]], v=[0.0], constraint="none")
    result = view.result()
    assert (result["violations"], result["steps"]) == (40 * 41, 3280)
    assert result["greedy"] == [[2, 0]] and result["best"] == [0, 0]
    assert "falls along an axis (1640 of 3280 grid steps, hatched)" in view.summary()
    assert "(a, a) = 100.00 is better, so IGM is broken" in view.summary()


def test_values_are_those_of_the_joint_actions():
    view = explorer(3)
    view.state = 1
    p = {name: value[1] for name, value in raw(3).items()}
    for a1, q1 in enumerate([0.0, 1, 2]):
        for a2, q2 in enumerate([1.5, -0.5]):
            one = q_tot_surface(p["w1"], p["b1"], p["w2"], p["v"], [q1], [q2], "abs")
            assert view.values()[a1, a2] == pytest.approx(one.item())


def test_ties_are_all_greedy():
    view = explorer(utilities=[[[0.0, 1.0, 1.0], [0.0, 0.0]]])
    assert view.result()["greedy"] == [[1, 0], [1, 1], [2, 0], [2, 1]]
    assert "(b, a), (b, b), (c, a), (c, b) =" in view.summary()


def test_grid_holds_every_utility_of_every_state():
    view = explorer(utilities=[[[0.0, 1.0], [2.0, 2.0]], [[-3.0, 0.0], [2.0, 2.0]]])
    q1, q2 = view.grid()
    assert (q1[0], q1[-1], len(q1)) == (-4, 2, 41)
    assert (q2[0], q2[-1]) == (1, 3)  # one value only: one unit on either side


def test_from_mixer_reads_torch_networks():
    torch.manual_seed(1)
    mixer, states = TorchMixer(3, 4), torch.eye(3)
    utilities = torch.randn(3, 2, 2)
    view = LandscapeExplorer.from_mixer(mixer, states, utilities, state_names=["1", "2A", "2B"])
    for view.state in range(3):
        q = utilities[view.state].double()
        for a1 in range(2):
            for a2 in range(2):
                chosen = torch.stack([q[0, a1], q[1, a2]])[None].float()
                expected = mixer(chosen, states[view.state][None]).item()
                assert view.values()[a1, a2] == pytest.approx(expected, abs=1e-5)
    assert view.summary().startswith("State 2B, weights |w|: Q_tot never falls")


@pytest.mark.parametrize(("mixer", "constraint"), [(QMixer, "abs"), (UnconstrainedMixer, "none")])
def test_from_mixer_reads_the_librarys_mixers(mixer, constraint):
    torch.manual_seed(2)
    network, states, utilities = mixer(2, 3, 8), torch.eye(3), torch.randn(3, 2, 4)
    view = LandscapeExplorer.from_mixer(network, states, utilities, constraint=constraint)
    joint = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    for view.state in range(3):
        q = torch.stack([utilities[view.state, i, joint[:, i]] for i in range(2)], -1)
        expected = network(q, states[view.state].expand(16, 3)).reshape(4, 4)
        np.testing.assert_allclose(view.values(), expected.detach(), atol=1e-5)


def test_replace_shows_new_weights():
    view, other = explorer(0), explorer(1)
    view.replace(**raw(1), utilities=UTILITIES)
    assert view.result() == other.result()
    assert view.result() != explorer(0).result()
    with pytest.raises(ValueError, match="expected 2 as before"):
        view.replace(**raw(0, n_states=3), utilities=UTILITIES)
    with pytest.raises(ValueError, match=r"\[3, 3\] actions, expected \[3, 2\]"):
        view.replace(**raw(0), utilities=np.zeros((1, 2, 3)))


def test_random_is_seeded_and_counts_its_signs():
    view = LandscapeExplorer.random(7)
    assert view.parameters == LandscapeExplorer.random(7).parameters
    assert view.parameters != LandscapeExplorer.random(8).parameters
    for view.state, negative in zip(range(3), (5, 8, 12), strict=True):
        assert f"signed w ({negative} of 24 negative)" in view.summary()


def test_figure_shows_the_chosen_setting():
    view = explorer(5, constraint="none")
    figure = view.figure()
    titles = figure.get_suptitle().replace(".\n", ". ")
    assert titles == view.summary()
    drawn = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(np.asarray(drawn).reshape(41, 41), view.surface().T)
    assert plots.count_violations(view.surface()) == view.result()["violations"]
    plt.close(figure)


def test_colours_are_matplotlibs():
    source = esm("landscape")
    table = source[source.index("CIVIDIS = [") : source.index("const FONT")]
    stops = np.array([[int(c) for c in row] for row in CIVIDIS_ROW.findall(table)])
    t = np.linspace(0, 1, 256)
    mixed = np.stack([np.interp(t * 16, np.arange(17), stops[:, c]) for c in range(3)], -1)
    expected = matplotlib.colormaps["cividis"](t)[:, :3] * 255
    assert stops.shape == (17, 3) and np.abs(mixed - expected).max() < 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w1": np.zeros((2, 3, 5))}, r"w1 has shape \(2, 3, 5\), expected \[K, 2, E\]"),
        ({"b1": np.zeros((2, 4))}, r"b1 has shape \(2, 4\), expected \[2, 5\]"),
        ({"w2": np.zeros((3, 5))}, r"w2 has shape \(3, 5\)"),
        ({"v": [0.0]}, r"v has shape \(1,\), expected \[2\]"),
        ({"v": [0.0, np.nan]}, r"v holds nan at \(1,\)"),
        ({"utilities": np.zeros((3, 2, 2))}, "hold 3 states, expected 2"),
        ({"utilities": np.zeros((1, 3, 2))}, "each with two agents' lists"),
        ({"utilities": [1.0, 2.0]}, "each with two agents' lists"),
        ({"utilities": np.zeros((2, 2))}, "each with two agents' lists"),
        ({"utilities": [[[0.0, np.inf], [0.0]]]}, "utilities holds inf"),
        ({"utilities": [[[0.0], [0.0]], [[0.0, 1.0], [0.0]]]}, r"state 1 has utilities for \[2, 1\] actions"),
        ({"utilities": [[[], [0.0]]]}, "at least one for each agent"),
        ({"state_names": ["one"]}, "got 1 state names, expected 2"),
        ({"action_names": (["a"], ["b"])}, r"got \[1, 1\] action names, expected \[3, 2\]"),
        ({"constraint": "square"}, "unknown constraint 'square', expected 'abs'"),
    ],
)
def test_bad_input_is_one_clear_sentence(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**changes)


def test_a_state_that_does_not_exist():
    with pytest.raises(traitlets.TraitError, match="state 2 does not exist, expected 0 to 1"):
        explorer().state = 2
