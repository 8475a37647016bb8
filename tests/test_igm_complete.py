"""QPLEX and QFIX: whose maximum is the agents' own, whatever their weights say; and any such table is within reach."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from matrix_games import catalogue
from qmix_edu.igm_complete import QFIX, QPLEX, best_utilities
from qmix_edu.mixers import Mixed, QMixer, UnconstrainedMixer, VDNMixer

MAKERS = {
    "qplex": lambda n, a: QPLEX(n, a, 3, heads=4, hidden=16),
    "qfix_sum": lambda n, a: QFIX(VDNMixer(), n, a, 3, hidden=16),
    "qfix_mono": lambda n, a: QFIX(QMixer(n, 3, embed=8, hyper_hidden=16), n, a, 3, hidden=16),
}
every = pytest.mark.parametrize("name", MAKERS)


def randomised(make, seed, n, a):
    """Return a factorisation with weights of many sizes, and 20 random moments: utilities, availability, state."""
    torch.manual_seed(seed)
    factorisation = make(n, a).double()
    for parameter in factorisation.parameters():
        nn.init.normal_(parameter, std=float(torch.rand(()) + 0.1))
    avail = torch.rand(20, n, a) < 0.7
    avail[..., 0] |= ~avail.any(-1)
    return factorisation, 3 * torch.randn(20, n, a).double(), avail, 2 * torch.randn(20, 3).double()


def table(factorisation, utilities, avail, state):
    """Return the values of all joint actions [20, j], and which of them are available [20, j]."""
    n, a = utilities.shape[1:]
    joint = [torch.tensor(u) for u in itertools.product(range(a), repeat=n)]
    values = [factorisation(utilities, u.expand(20, n), avail, state) for u in joint]
    allowed = [avail[:, torch.arange(n), u].all(-1, keepdim=True) for u in joint]
    return torch.cat(values, 1), torch.cat(allowed, 1)


@every
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1), st.integers(1, 3), st.integers(2, 4))
def test_the_agents_own_best_actions_are_the_teams(name, seed, n, a):
    """IGM by enumeration, over the available joint actions."""
    factorisation, utilities, avail, state = randomised(MAKERS[name], seed, n, a)
    values, allowed = table(factorisation, utilities, avail, state)
    greedy = utilities.masked_fill(~avail, -torch.inf).argmax(-1)
    best = factorisation(utilities, greedy, avail, state).squeeze(1)
    size = 1e-9 * (1 + values.abs().amax())
    assert (best >= values.masked_fill(~allowed, -torch.inf).max(1).values - size).all()


def test_the_enumeration_sees_a_mixer_without_igm():
    violations = 0
    for seed in range(5):
        mixed, utilities, avail, state = randomised(lambda n, a: Mixed(UnconstrainedMixer(n, 3)), seed, 2, 3)
        values, allowed = table(mixed, utilities, avail, state)
        best = mixed(utilities, utilities.masked_fill(~avail, -torch.inf).argmax(-1), avail, state).squeeze(1)
        violations += bool((best < values.masked_fill(~allowed, -torch.inf).max(1).values - 1e-6).any())
    assert violations == 5


def looked_up(numbers):
    """Return weights that are these numbers [a, a, m], by joint action."""
    return lambda actions, state: numbers[actions[..., 0], actions[..., 1]]


def test_any_table_with_one_best_joint_action_is_within_reach():
    """The QTRAN game, with scales worked out by hand from utilities (0, -1, -1)."""
    payoff = torch.tensor(catalogue["qtran"].payoff.tolist())
    joint = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    utilities = torch.tensor([0.0, -1.0, -1.0]).expand(9, 2, 3)
    avail, state = torch.ones(9, 2, 3, dtype=torch.bool), torch.zeros(9, 3)
    below = payoff - 8
    count = (joint > 0).sum(1).reshape(3, 3)  # the sum's advantage is -1 for each agent that is not at its best

    qfix = QFIX(VDNMixer(), 2, 3, 3)
    w = (below / -count.clamp(min=1) - 1).unsqueeze(-1)
    assert (w[count > 0] > -1).all()
    qfix.weights = looked_up(w)
    qfix.b = nn.Linear(3, 1)
    nn.init.zeros_(qfix.b.weight), nn.init.constant_(qfix.b.bias, 8.0)
    torch.testing.assert_close(qfix(utilities, joint, avail, state).reshape(3, 3), payoff, rtol=0, atol=1e-5)

    qplex = QPLEX(2, 3, 3)
    qplex.weights = looked_up((w + 1).expand(3, 3, 2))
    nn.init.zeros_(qplex.hyper_b[-1].weight), nn.init.constant_(qplex.hyper_b[-1].bias, 4.0)
    torch.testing.assert_close(qplex(utilities, joint, avail, state).reshape(3, 3), payoff, rtol=0, atol=1e-5)


@every
def test_where_the_gradient_stops(name):
    """At first order the utilities learn as the inner mixer's do: the scaled advantages pass nothing on to them."""
    torch.manual_seed(0)
    factorisation = MAKERS[name](2, 3)
    utilities = torch.randn(1, 2, 3).requires_grad_()
    actions, avail, state = torch.tensor([[0, 2]]), torch.ones(1, 2, 3, dtype=torch.bool), torch.randn(1, 3)
    (gradient,) = torch.autograd.grad(factorisation(utilities, actions, avail, state).sum(), utilities)
    taken = torch.zeros_like(gradient).scatter_(-1, actions.unsqueeze(-1), 1.0).bool()
    assert not gradient[~taken].any()  # nothing through the maxima
    if name == "qplex":
        expected = torch.ones(1, 2)
    else:
        q = utilities.detach()[0, torch.arange(2), actions[0]].unsqueeze(0).requires_grad_()
        (expected,) = torch.autograd.grad(factorisation.mixer(q, state).sum(), q)
    torch.testing.assert_close(gradient[taken], expected.flatten())


def test_the_best_utility_is_an_available_one_and_finite():
    utilities = torch.tensor([[[5.0, 1.0], [2.0, 3.0]]])
    assert best_utilities(utilities, torch.tensor([[[False, True], [True, True]]])).tolist() == [[1.0, 3.0]]
    assert best_utilities(utilities, torch.zeros(1, 2, 2, dtype=torch.bool)).isfinite().all()  # padded steps
