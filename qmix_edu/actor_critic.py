"""On-policy learners: a policy per agent, and a critic that says how good its action was.

The utility network's outputs are the policy's logits here. Environment, play and batches are those of the Q-learners.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.mixers import Independent
from qmix_edu.replay import NewestEpisodes
from qmix_edu.td import chosen_utilities, greedy_actions
from qmix_edu.types import EnvSpec


def policy(
    logits: Float[Tensor, "*b n a"], avail_actions: Bool[Tensor, "*b n a"], epsilon: float
) -> Float[Tensor, "*b n a"]:
    """``pi = (1 - epsilon) softmax(logits) + epsilon / |A|`` over the available actions A; 0 elsewhere.

    Source: Foerster et al. (AAAI 2018).
    """
    available = avail_actions.to(logits.dtype)
    lowest = torch.finfo(logits.dtype).min  # not -inf: padding may have no available action at all
    probabilities = logits.masked_fill(~avail_actions, lowest).softmax(dim=-1)
    return (1 - epsilon) * probabilities + epsilon * available / available.sum(dim=-1, keepdim=True).clamp(min=1)


def counterfactual_advantage(q: Float[Tensor, "*b n a"], pi: Float[Tensor, "*b n a"]) -> Float[Tensor, "*b n a"]:
    """``A_a(s, u) = Q(s, (u_-a, u_a)) - sum_{u'} pi_a(u') Q(s, (u_-a, u'))``, for every own action ``u_a``.

    The baseline depends on the others' actions and not on the own one, so ``sum_u pi A = 0``: it changes the variance
    of the policy gradient, and not its mean.

    Source: Foerster et al. (AAAI 2018).
    """
    return q - (pi * q).sum(dim=-1, keepdim=True)


class CounterfactualCritic(nn.Module):
    """``Q(s, (u_-a, .))`` for each agent a: one output for each own action, given what the others do.

    It reads the state, the agent's observation and identity, everybody's last action, and the *others'* actions of now;
    the agent's own action of now is no input. The first layer is linear in these five, so its output is the sum of
    their parts: what is the same for all agents is multiplied once for all, and never are the five copied together.

    Source: Foerster et al. (AAAI 2018).
    """

    def __init__(self, spec: EnvSpec, hidden_size: int = 64):
        super().__init__()
        n, self.n_actions = spec.n_agents, spec.n_actions
        self.sizes = [spec.state_size, spec.obs_size, n, n * spec.n_actions, n * spec.n_actions]
        self.first = nn.Linear(sum(self.sizes), hidden_size)
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, spec.n_actions),
        )

    def forward(
        self,
        state: Float[Tensor, "b t s"],
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        actions: Int[Tensor, "b t n"],
    ) -> Float[Tensor, "b t n a"]:
        """Return the value of each own action."""
        n, a = actions.shape[-1], self.n_actions
        w_state, w_obs, w_agent, w_last, w_now = self.first.weight.split(self.sizes, dim=1)
        last = F.one_hot(last_actions, a + 1)[..., :-1].float().flatten(2)  # no action yet: zeros
        shared = F.linear(state, w_state, self.first.bias) + F.linear(last, w_last)  # [b, t, h]
        rows = F.embedding(actions + a * torch.arange(n), w_now.T.contiguous())  # [b, t, n, h], of everybody's action
        others = (1 - torch.eye(n)) @ rows
        return self.body(shared.unsqueeze(2) + F.linear(obs, w_obs) + w_agent.T + others)


class StateValue(nn.Module):
    """``V(o_a)`` of each agent: a utility network of which only one output is taken."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, obs: Float[Tensor, "b t n o"], last_actions: Int[Tensor, "b t n"]) -> Float[Tensor, "b t n"]:
        """Return the value of every observation."""
        outputs, _ = self.network(obs, last_actions)
        return outputs[..., 0]


class ActorCritic(Learner):
    """Policy gradient with a critic, on the newest episodes.

    Minimises ``- sum_a A_a log pi_a(u_a | tau_a)`` plus the critic's squared TD(lambda) error, both as means over real
    transitions and agents. The policy is :func:`policy`, with epsilon as its floor; in evaluation the most probable
    action is taken.

    Differs from: PyMARL, which trains actor and critic with two RMSprop optimisers, the critic step by step from the
    end, and cuts their gradients apart; here one Adam for both (their parameters are disjoint) and one norm.
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        critic: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
    ):
        super().__init__(
            spec,
            algorithm,
            agent,
            Independent,
            settings,
            seed,
            networks={"critic": critic},
            replay=NewestEpisodes,
        )
        self._epsilon = 0.0

    def begin_round(self, epsilon: float, env_steps: int) -> None:
        """Hear the floor of the policy; the gradient is that of the policy that plays."""
        self._epsilon = epsilon

    def choose(
        self,
        utilities: Float[Tensor, "e n a"],
        avail_actions: Bool[Tensor, "e n a"],
        epsilon: float,
        generator: torch.Generator,
    ) -> Int[Tensor, "e n"]:
        """Draw every agent's action from its policy."""
        pi = policy(utilities, avail_actions, epsilon)
        return torch.multinomial(pi.flatten(0, -2), 1, generator=generator).view(pi.shape[:-1])

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the actor's loss plus the critic's, and metrics."""
        logits, _ = self.online["agent"](batch.obs, batch.last_actions)
        pi = policy(logits[:, :-1], batch.avail_actions[:, :-1], self._epsilon)
        values, targets, advantages = self.criticise(batch, logits.detach(), pi.detach())
        mask = batch.mask.expand_as(values)
        chosen = torch.where(mask.bool(), chosen_utilities(pi, batch.actions), 1.0)
        actor = -(mask * advantages * chosen.log()).sum() / mask.sum()
        critic = (mask * (targets - values) ** 2).sum() / mask.sum()
        entropy = (mask * -torch.xlogy(pi.detach(), pi.detach()).sum(dim=-1)).sum() / mask.sum()
        return actor + critic, {
            "q_mean": self.mean(values, mask),
            "critic_loss": critic.item(),
            "entropy": entropy.item(),
        }

    @abstractmethod
    def criticise(
        self, batch: EpisodeBatch, logits: Float[Tensor, "b t1 n a"], pi: Float[Tensor, "b t n a"]
    ) -> tuple[Float[Tensor, "b t n"], Float[Tensor, "b t n"], Float[Tensor, "b t n"]]:
        """Return the critic's values, their targets, and the advantage of each action taken, which has no gradient."""


class COMA(ActorCritic):
    """Counterfactual multi-agent policy gradients: an action is compared with what else the agent might have done.

    The advantage is :func:`counterfactual_advantage` with the critic :class:`CounterfactualCritic`, fitted to
    ``y_t = r_t + gamma ((1 - lambda) Q^-(s_{t+1}, u_{t+1}) + lambda y_{t+1})`` along the actions that were taken.

    Source: Foerster et al., Counterfactual Multi-Agent Policy Gradients (AAAI 2018); lambda .8.
    Differs from: PyMARL in the last step before a time limit, after which no action was taken: each agent's most
    probable one stands for it.
    """

    def criticise(
        self, batch: EpisodeBatch, logits: Float[Tensor, "b t1 n a"], pi: Float[Tensor, "b t n a"]
    ) -> tuple[Float[Tensor, "b t n"], Float[Tensor, "b t n"], Float[Tensor, "b t n"]]:
        """Return the values of the joint actions, their targets and the counterfactual advantages."""
        joint = self.joint_actions(batch, logits)
        q = self.online["critic"](batch.state, batch.obs, batch.last_actions, joint)[:, :-1]
        advantages = chosen_utilities(counterfactual_advantage(q.detach(), pi), batch.actions)
        return chosen_utilities(q, batch.actions), self.critic_targets(batch, joint), advantages

    def joint_actions(self, batch: EpisodeBatch, logits: Float[Tensor, "b t1 n a"]) -> Int[Tensor, "b t1 n"]:
        """Return the actions that were taken and, after the last of an episode, the most probable ones."""
        acted = torch.cat([batch.mask, torch.zeros_like(batch.mask[:, :1])], dim=1).bool()
        taken = torch.cat([batch.actions, batch.actions[:, -1:]], dim=1)
        return torch.where(acted, taken, greedy_actions(logits, batch.avail_actions))

    @torch.no_grad()
    def critic_targets(self, batch: EpisodeBatch, joint: Int[Tensor, "b t1 n"]) -> Float[Tensor, "b t n"]:
        """Return the TD(lambda) targets of the critic."""
        q = self.target["critic"](batch.state, batch.obs, batch.last_actions, joint)
        return self.td_targets(batch, chosen_utilities(q, joint)[:, 1:])


class IAC(ActorCritic):
    """Independent actor-critic: each agent's critic knows what the agent knows, ``A_a = y_a - V(o_a)``.

    The control of COMA: the same policy, play and targets, and no counterfactual. An agent cannot tell its own part in
    the reward from the others'.

    Source: Foerster et al. (AAAI 2018), IAC-V.
    """

    def criticise(
        self, batch: EpisodeBatch, logits: Float[Tensor, "b t1 n a"], pi: Float[Tensor, "b t n a"]
    ) -> tuple[Float[Tensor, "b t n"], Float[Tensor, "b t n"], Float[Tensor, "b t n"]]:
        """Return each agent's values, their targets, and the difference."""
        values = self.online["critic"](batch.obs, batch.last_actions)[:, :-1]
        with torch.no_grad():
            targets = self.td_targets(batch, self.target["critic"](batch.obs, batch.last_actions)[:, 1:])
        return values, targets, targets - values.detach()
