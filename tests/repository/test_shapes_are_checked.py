"""The negative control of the shape checks: with them on, a wrong shape or type is an error."""

from typing import Self

import numpy as np
import pytest
import torch
from shape_checks import checked

from qmix_edu import types


def observation(n_agents_in_mask: int) -> types.Observation:
    return types.Observation(
        obs=torch.zeros(4, 2, 5),
        state=torch.zeros(4, 3),
        avail_actions=torch.ones(4, n_agents_in_mask, 6, dtype=torch.bool),
    )


def test_matching_shapes_pass():
    assert observation(2).obs.shape == (4, 2, 5)


def test_shapes_that_disagree_are_an_error():
    with pytest.raises(Exception, match="avail_actions"):
        observation(3)


def test_a_wrong_kind_of_array_is_an_error():
    with pytest.raises(Exception, match="obs"):
        types.Observation(
            obs=np.zeros((4, 2, 5)),
            state=torch.zeros(4, 3),
            avail_actions=torch.ones(4, 2, 6, dtype=torch.bool),
        )


def test_torch_uses_one_thread():
    assert torch.get_num_threads() == 1


def test_an_uncheckable_annotation_leaves_the_others_checked():
    def grow(self: object, count: int) -> Self:  # Self has no meaning outside a class
        return self

    with pytest.raises(Exception, match="count"):
        checked(grow)(1, "two")
    assert checked(grow)(1, 2) == 1
