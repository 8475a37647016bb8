"""Chapter 06: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from matrix_games import additive_fit, is_monotone, supermodular_fit
from qmix_edu.exercises import chapter_06 as chapter
from qmix_edu.mixers import QMixer, UnconstrainedMixer

torch.set_num_threads(1)


class Right(nn.Module):
    """The mixer as in the solution; every step can be replaced by a mistake."""

    def __init__(self, n_agents, state_size, embed=32):
        super().__init__()
        self.n, self.s, self.embed = n_agents, state_size, embed
        self.make()

    def make(self):
        self.hyper_w1 = nn.Linear(self.s, self.n * self.embed)
        self.hyper_b1 = nn.Linear(self.s, self.embed)
        self.hyper_w2 = nn.Linear(self.s, self.embed)
        self.hyper_v = nn.Linear(self.s, 1)

    def w1(self, state):
        return self.hyper_w1(state).abs().unflatten(-1, (self.n, self.embed))

    def b1(self, state):
        return self.hyper_b1(state)

    def w2(self, state):
        return self.hyper_w2(state).abs()

    def v(self, state):
        return self.hyper_v(state)

    def act(self, z):
        return F.elu(z)

    def hidden(self, q, state):
        return self.act((q.unsqueeze(-1) * self.w1(state)).sum(-2) + self.b1(state))

    def forward(self, q, state):
        return (self.hidden(q, state) * self.w2(state)).sum(-1, keepdim=True) + self.v(state)


def but(**methods):
    return type("Mistaken", (Right,), methods)


class Deep(Right):
    """Hypernetworks with a hidden layer, softplus, and a matrix product."""

    def make(self):
        for name, size in (("w1", self.n * self.embed), ("b1", self.embed), ("w2", self.embed), ("v", 1)):
            setattr(self, f"hyper_{name}", nn.Sequential(nn.Linear(self.s, 16), nn.ReLU(), nn.Linear(16, size)))

    def forward(self, q, state):
        w1 = F.softplus(self.hyper_w1(state)).view(-1, self.n, self.embed)
        hidden = F.elu(torch.bmm(q.unsqueeze(1), w1) + self.hyper_b1(state).unsqueeze(1))
        return torch.bmm(hidden, F.softplus(self.hyper_w2(state)).unsqueeze(2)).squeeze(1) + self.hyper_v(state)


def wide(*widths):
    """Hypernetworks with hidden layers of these widths."""

    def make(self):
        for name, size in (("w1", self.n * self.embed), ("b1", self.embed), ("w2", self.embed), ("v", 1)):
            layers, before = [], self.s
            for width in widths:
                layers += [nn.Linear(before, width), nn.ReLU()]
                before = width
            setattr(self, f"hyper_{name}", nn.Sequential(*layers, nn.Linear(before, size)))

    return but(make=make)


@pytest.mark.parametrize(
    "answer",
    [Right, Deep, QMixer, but(act=lambda self, z: F.leaky_relu(z, 0.3)), wide(256), wide(64, 64), wide(128, 128, 128)],
)
def test_mixer_right(answer):
    result = chapter.check_Mixer(answer)
    assert result.status == "correct", result


def signed_w1(self, state):
    return self.hyper_w1(state).unflatten(-1, (self.n, self.embed))


def signed_w2(self, state):
    return self.hyper_w2(state)


def concatenated(self):
    Right.make(self)
    self.hyper_w1 = nn.Linear(self.s, (self.n + self.s) * self.embed)


def concatenated_forward(self, q, state):
    x = torch.cat([q, state], -1)
    w1 = self.hyper_w1(state).abs().unflatten(-1, (self.n + self.s, self.embed))
    return (F.elu((x.unsqueeze(-1) * w1).sum(-2) + self.b1(state)) * self.w2(state)).sum(-1, keepdim=True)


def scalar_bias(self):
    Right.make(self)
    self.hyper_b1 = nn.Linear(self.s, 1)


def no_hypernetworks(self):
    self.w = nn.Parameter(torch.randn(self.n, self.embed))


def over_units(self, q, state):
    return self.act((q.unsqueeze(-1) * self.w1(state)).sum(-1) + self.b1(state))


def over_units_forward(self, q, state):
    return (over_units(self, q, state) * self.w2(state)).sum(-1, keepdim=True) + self.v(state)


def state_only(self, q, state):
    return (self.hidden(0 * q, state) * self.w2(state)).sum(-1, keepdim=True) + self.v(state)


def blind(self, q, state):
    return Right.forward(self, q, torch.ones_like(state))


MISTAKES = {
    "abs forgotten": [
        but(w1=signed_w1),
        but(w2=signed_w2),
        but(w1=signed_w1, w2=signed_w2),
        UnconstrainedMixer,
    ],
    "abs on every parameter": [
        but(v=lambda self, s: self.hyper_v(s).abs(), b1=lambda self, s: self.hyper_b1(s).abs()),
        but(v=lambda self, s: self.hyper_v(s).abs()),
        but(b1=lambda self, s: self.hyper_b1(s).abs()),
    ],
    "abs on the output": [
        but(w1=signed_w1, w2=signed_w2, forward=lambda self, q, s: Right.forward(self, q, s).abs()),
        but(forward=lambda self, q, s: Right.forward(self, q, s).abs()),
    ],
    "abs in the wrong place": [but(act=lambda self, z: F.elu(z).abs()), but(act=lambda self, z: F.elu(z.abs()))],
    "abs on the utilities": [but(forward=lambda self, q, s: Right.forward(self, q.abs(), s))],
    "the state in the monotone path": [but(make=concatenated, forward=concatenated_forward)],
    "a hypernetwork is missing": [but(make=no_hypernetworks)],
    "a layer of the wrong width": [but(make=scalar_bias)],
    "a constant": [but(forward=state_only)],
    "blind to the state": [but(forward=blind)],
    "summed over the wrong axis": [
        but(forward=over_units_forward),
        but(forward=lambda self, q, s: (self.hidden(q, s) * self.w2(s)).sum(0, keepdim=True) + self.v(s)),
        but(forward=lambda self, q, s: (self.hidden(q, s) * self.w2(s)).sum() + self.v(s).sum()),
        but(forward=lambda self, q, s: self.hidden(q, s) @ self.w2(s).T + self.v(s)),
    ],
    "another shape": [but(forward=lambda self, q, s: Right.forward(self, q, s).squeeze(-1))],
    "V(s) is missing": [but(v=lambda self, s: 0 * self.hyper_v(s))],
    "V(s) is not free": [but(v=lambda self, s: F.softplus(self.hyper_v(s)))],
    "b1 is missing": [but(b1=lambda self, s: 0)],
    "b1 is not free": [but(b1=lambda self, s: self.hyper_b1(s).relu())],
    "no activation": [but(act=lambda self, z: z)],
    "ReLU for ELU": [but(act=lambda self, z: F.relu(z))],
    "negative utilities are cut off": [but(forward=lambda self, q, s: Right.forward(self, q.relu(), s))],
    "not a network": [lambda n, s, e: lambda q, state: q.sum(-1, keepdim=True)],
    "your function stopped with an error": [but(forward=lambda self, q, s: q @ self.hyper_w1(s))],
}


@pytest.mark.parametrize(
    ("answer", "name"), [(answer, name) for name, answers in MISTAKES.items() for answer in answers]
)
def test_mixer_wrong(answer, name):
    result = chapter.check_Mixer(answer)
    assert result.misconception == name, result


def test_mixer_not_started_and_half_done():
    def stub(self, *_):
        raise NotImplementedError

    assert chapter.check_Mixer(but(make=stub)).status == "not started"
    assert chapter.check_Mixer(but(forward=stub)).misconception == "half done"


def falls(surface, axis):
    return int((np.diff(surface, axis=axis) < 0).sum())


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda s: falls(s, 0), "one agent only"),
        (lambda s: falls(s, 1), "one agent only"),
        (lambda s: int((np.diff(s, axis=0) <= 0).sum() + (np.diff(s, axis=1) <= 0).sum()), "flat counts as a fall"),
        (lambda s: int((np.diff(s, axis=0) > 0).sum() + (np.diff(s, axis=1) > 0).sum()), "rises for falls"),
        (lambda s: int((s[1:, 1:] < s[:-1, :-1]).sum()), "both utilities at once"),
        (lambda s: int((s < 0).sum()), "negative values"),
        (lambda s: sum(s[-1] < s[0]) + sum(s[:, -1] < s[:, 0]), "the ends only"),
        (lambda s: 3, "a constant"),
        (lambda s: falls(s, 0) + falls(s, 1) > 0, "not yet"),
    ],
)
def test_count_falls_wrong(answer, name):
    assert chapter.check_count_falls(answer).misconception == name


def by_loops(surface):
    rows, columns = surface.shape
    down = sum(surface[i + 1, j] < surface[i, j] for i in range(rows - 1) for j in range(columns))
    return down + sum(surface[i, j + 1] < surface[i, j] for i in range(rows) for j in range(columns - 1))


@pytest.mark.parametrize("answer", [by_loops, lambda s: falls(s, 0) + falls(s, 1)])
def test_count_falls_right(answer):
    assert chapter.check_count_falls(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda s: -np.diff(np.diff(s, axis=0), axis=1), "minus for plus"),
        (lambda s: np.diff(s, axis=0)[:, :-1] + np.diff(s, axis=1)[:-1], "the change along both axes added"),
        (lambda s: s[1:, 1:] - s[:-1, :-1], "the step of both at once"),
        (lambda s: np.diff(s, n=2, axis=0), "the bend along one axis"),
        (lambda s: np.diff(s, n=2), "the bend along one axis"),
        (lambda s: np.diff(s, axis=0), "first differences"),
        (lambda s: [[0]], "a constant"),
        (lambda s: s, "not yet"),
    ],
)
def test_mixed_differences_wrong(answer, name):
    assert chapter.check_mixed_differences(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda s: s[1:, 1:] - s[1:, :-1] - s[:-1, 1:] + s[:-1, :-1],
        lambda s: np.diff(np.diff(s, axis=1), axis=0).tolist(),
    ],
)
def test_mixed_differences_right(answer):
    assert chapter.check_mixed_differences(answer).status == "correct"


def mixed(t):
    return t[1, 1] - t[1, 0] - t[0, 1] + t[0, 0]


SIGNS = np.array([[1, -1], [-1, 1]])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda t: t, "every monotone table is within reach"),
        (lambda t: additive_fit(t).values, "the sum, always"),
        (lambda t: t + [[0, 0], [0, max(0, -mixed(t))]], "one cell pays for all"),
        (lambda t: t + min(mixed(t), 0) / 4 * SIGNS, "moved the wrong way"),
        (lambda t: t if mixed(t) >= 0 else 0 * t + t.mean(), "the average everywhere"),
        (lambda t: [[0.25, 0.75], [0.75, 1.25]], "a constant"),
        (lambda t: t - min(mixed(t), 0) / 2 * SIGNS, "not yet"),
    ],
)
def test_nearest_reachable_wrong(answer, name):
    assert chapter.check_nearest_reachable(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [lambda t: t - min(mixed(t), 0) / 4 * SIGNS, lambda t: t if mixed(t) >= 0 else additive_fit(t).values],
)
def test_nearest_reachable_right(answer):
    assert chapter.check_nearest_reachable(answer).status == "correct"


def test_or_is_out_of_reach_by_a_sixteenth():
    assert is_monotone([[0, 1], [1, 1]])
    assert supermodular_fit([[0, 1], [1, 1]]).mse == pytest.approx(1 / 16)
