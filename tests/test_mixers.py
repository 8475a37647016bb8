"""What the mixing networks can and cannot do, on random states, utilities and weights."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qmix_edu import algorithms
from qmix_edu.mixers import (
    CentralMixer,
    Independent,
    Mixed,
    QMixer,
    QMixerLin,
    QMixerNS,
    UnconstrainedMixer,
    UniversalMixer,
    VDNMixer,
    VDNSMixer,
)
from qmix_edu.types import EnvSpec

CONSTRAINTS = {"abs": torch.abs, "softplus": F.softplus}
constraint = pytest.mark.parametrize("weight_constraint", CONSTRAINTS.values(), ids=CONSTRAINTS)
seeds, agents = st.integers(0, 2**31 - 1), st.integers(1, 4)
theorem = settings(max_examples=40, deadline=None, derandomize=True)


def random_mixer(seed, n_agents, make=QMixer, **keywords):
    """Return a mixer with weights of many sizes, and 20 random pairs of utilities and state."""
    torch.manual_seed(seed)
    mixer = make(n_agents, 3, embed=8, hyper_hidden=16, **keywords).double()
    for parameter in mixer.parameters():
        nn.init.normal_(parameter, std=float(torch.rand(()) + 0.1))
    return mixer, 4 * torch.randn(20, n_agents).double(), 2 * torch.randn(20, 3).double()


@constraint
@theorem
@given(seeds, agents)
def test_q_tot_never_falls_with_a_utility(weight_constraint, seed, n_agents):
    """``dQ_tot/dQ_a >= 0``, by the gradient and by finite differences."""
    mixer, q, state = random_mixer(seed, n_agents, weight_constraint=weight_constraint)
    q.requires_grad_()
    q_tot = mixer(q, state)
    (gradient,) = torch.autograd.grad(q_tot.sum(), q)
    assert (gradient >= 0).all()
    for agent in range(n_agents):
        for step in (1e-3, 1.0, 50.0):
            assert (mixer(q + step * torch.eye(n_agents).double()[agent], state) - q_tot >= -1e-9).all()


@constraint
@theorem
@given(seeds, st.integers(2, 4))
def test_q_tot_is_supermodular(weight_constraint, seed, n_agents):
    """Mixed second differences are not negative: what one agent gains can only grow with another's utility."""
    mixer, q, state = random_mixer(seed, n_agents, weight_constraint=weight_constraint)
    unit = torch.eye(n_agents).double()
    for i, j in itertools.combinations(range(n_agents), 2):
        for step in (0.1, 3.0):
            both, one, other = (mixer(q + step * d, state) for d in (unit[i] + unit[j], unit[i], unit[j]))
            assert (both - one - other + mixer(q, state) >= -1e-9).all()


@constraint
@theorem
@given(seeds, st.integers(2, 3), st.integers(2, 4))
def test_the_agents_own_best_actions_are_the_teams(weight_constraint, seed, n_agents, n_actions):
    """IGM, by trying every joint action."""
    mixer, _, state = random_mixer(seed, n_agents, weight_constraint=weight_constraint)
    utilities = 3 * torch.randn(20, n_agents, n_actions).double()
    value = Mixed(mixer)
    avail = torch.ones(utilities.shape, dtype=torch.bool)
    tables = torch.cat(
        [
            value(utilities, torch.tensor(joint).expand(20, n_agents), avail, state)
            for joint in itertools.product(range(n_actions), repeat=n_agents)
        ],
        dim=1,
    )
    greedy = value(utilities, utilities.argmax(-1), avail, state).squeeze(1)
    torch.testing.assert_close(greedy, tables.max(dim=1).values, rtol=1e-12, atol=1e-12)


def test_the_bias_v_is_free():
    """V(s) lifts the whole surface, also below zero, and b1 takes either sign."""
    mixer, q, state = random_mixer(4, 2)
    raw = mixer.raw_parameters(state)
    assert (raw["b1"] < 0).any() and (raw["b1"] > 0).any()
    before = mixer(q, state)
    mixer.hyper_v[-1].bias.data -= 100.0
    torch.testing.assert_close(mixer(q, state), before - 100.0)


def test_the_mixer_is_the_papers_formula():
    mixer, q, state = random_mixer(1, 3)
    raw = mixer.raw_parameters(state)
    hidden = F.elu(torch.einsum("bn,bne->be", q, raw["w1"].abs()) + raw["b1"])
    torch.testing.assert_close(mixer(q, state).squeeze(1), (hidden * raw["w2"].abs()).sum(1) + raw["v"])


def test_without_the_constraint_monotonicity_breaks():
    falls = 0
    for seed in range(10):
        mixer, q, state = random_mixer(seed, 2, UnconstrainedMixer)
        q.requires_grad_()
        (gradient,) = torch.autograd.grad(mixer(q, state).sum(), q)
        falls += bool((gradient < -1e-6).any())
    assert falls >= 9


def test_the_state_enters_through_the_hypernetworks():
    mixer, q, state = random_mixer(2, 2)
    tilt = []
    for s in (state, state + 1):
        q_ = q.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(mixer(q_, s).sum(), q_)
        tilt.append(gradient)
    assert not torch.allclose(tilt[0], tilt[1], atol=1e-3)  # not only V(s): the weights depend on the state as well


MONOTONE = {
    "vdn": lambda n: VDNMixer(),
    "vdn_s": lambda n: VDNSMixer(3),
    "qmix_ns": lambda n: QMixerNS(n),
    "qmix_lin": lambda n: QMixerLin(n, 3),
    "universal": lambda n: UniversalMixer(n, 3, groups=3, units=4),
}


@pytest.mark.parametrize("name", MONOTONE)
@theorem
@given(seeds, agents)
def test_the_variants_are_monotone_too(name, seed, n_agents):
    torch.manual_seed(seed)
    mixer = MONOTONE[name](n_agents).double()
    for parameter in mixer.parameters():
        nn.init.normal_(parameter, std=float(torch.rand(()) + 0.1))
    q, state = 4 * torch.randn(20, n_agents).double(), 2 * torch.randn(20, 3).double()
    q.requires_grad_()
    (gradient,) = torch.autograd.grad(mixer(q, state).sum(), q)
    assert (gradient >= 0).all() and (gradient > 0).any()
    for agent in range(n_agents):
        assert (mixer(q + 50 * torch.eye(n_agents).double()[agent], state) - mixer(q, state) >= -1e-9).all()


def test_what_each_variant_leaves_out():
    """VDN-S and QMIX-Lin are additive for a state, QMIX-NS is blind to it, VDN-S feels it in its bias alone."""
    torch.manual_seed(0)
    q, state, unit = torch.randn(9, 2).double(), torch.randn(9, 3).double(), torch.eye(2).double()
    for mixer, additive, blind in (
        (VDNSMixer(3), True, False),
        (QMixerLin(2, 3), True, False),
        (QMixerNS(2), False, True),
    ):
        mixer = mixer.double()
        both, one, other = (mixer(q + d, state) for d in (unit[0] + unit[1], unit[0], unit[1]))
        mixed = (both - one - other + mixer(q, state)).abs()
        assert bool((mixed < 1e-12).all()) is additive
        assert torch.equal(mixer(q, state), mixer(q, state + 1)) is blind
    bias = VDNSMixer(3).double()
    lifted = bias(q, state) - q.sum(-1, keepdim=True)
    torch.testing.assert_close(lifted, bias(torch.zeros_like(q), state))


def test_the_universal_mixer_is_a_soft_minimum_of_soft_maxima():
    torch.manual_seed(0)
    mixer = UniversalMixer(2, 3, groups=2, units=5).double()
    q, state = torch.randn(4, 2).double(), torch.randn(4, 3).double()
    w, b = 4 * mixer.hyper_w(state).abs().reshape(4, 2, 5, 2), mixer.hyper_b(state).reshape(4, 2, 6)
    units = (torch.einsum("bkjn,bn->bkj", w, q) + b[..., 1:]).exp().sum(-1)
    soft_max = (b[..., 0].exp() + units).log()
    expected = -(-soft_max).exp().sum(-1).log() + mixer.hyper_v(state)[:, 0]
    torch.testing.assert_close(mixer(q, state).squeeze(-1), expected)


def test_the_central_mixer_has_no_constraint():
    falls = 0
    for seed in range(5):
        torch.manual_seed(seed)
        mixer, q = CentralMixer(2, 3, hidden=32), torch.randn(50, 2).requires_grad_()
        (gradient,) = torch.autograd.grad(mixer(q, torch.randn(50, 3)).sum(), q)
        falls += bool((gradient < 0).any())
    assert falls == 5


def test_vdn_is_the_sum_and_ignores_the_state():
    q, state = torch.tensor([[1.0, -2.0, 4.0]]), torch.randn(1, 5)
    assert VDNMixer()(q, state).tolist() == [[3.0]]
    assert VDNMixer()(q, state + 1).tolist() == [[3.0]]


def test_factorisations_value_the_chosen_actions():
    utilities = torch.tensor([[[1.0, 2.0], [3.0, 5.0]]])
    actions, state = torch.tensor([[0, 1]]), torch.zeros(1, 1)
    avail = torch.zeros(utilities.shape, dtype=torch.bool)  # a value is a value, available or not
    assert Independent()(utilities, actions, avail, state).tolist() == [[1.0, 5.0]]
    assert Mixed(VDNMixer())(utilities, actions, avail, state).tolist() == [[6.0]]


@pytest.mark.parametrize("n_agents", [1, 2, 5])
def test_any_leading_axes(n_agents):
    mixer = QMixer(n_agents, 4)
    q, state = torch.randn(2, 3, n_agents), torch.randn(2, 3, 4)
    q_tot = mixer(q, state)
    assert q_tot.shape == (2, 3, 1)
    torch.testing.assert_close(q_tot[1, 2], mixer(q[1, 2][None], state[1, 2][None])[0])


@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_every_parameter_is_in_the_optimiser(algorithm):
    spec = EnvSpec("random", 4, 3, 5, 6, 7, 8)
    learner = algorithms.ALGORITHMS[algorithm](spec)
    optimised = {id(p) for group in learner.optimiser.param_groups for p in group["params"]}
    assert optimised == {id(p) for p in learner.online.parameters()}
    assert not optimised & {id(p) for p in learner.target.parameters()}
    if algorithm in ("qmix", "unconstrained"):
        mixer = learner.online["factorisation"].mixer
        assert isinstance(mixer, QMixer)
        assert len(list(mixer.parameters())) == 14  # three hypernetworks of two layers, b1 of one
