"""Files that hold networks: written whole or not at all, read without running any code in them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from qmix_edu.files import not_written, written_whole
from qmix_edu.learner import Learner


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of something else."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` whole or not at all.

    Raises:
        OSError: it could not be written; what ``path`` held before is still there.

    """
    try:
        with written_whole(path) as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
        raise not_written(path, error) from error


def load(path: Path) -> dict[str, Any]:
    """Read what ``save`` wrote; tensors, numbers and text only, so that loading can run no code.

    Raises:
        CheckpointError: the file is missing or damaged.

    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the file in it, {path / 'policy.pt'} if it is a run's.")
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}; train one with `qmix-edu train`.")
    try:
        content = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"The checkpoint {path} ({path.stat().st_size} bytes) is damaged and cannot be read; restore a copy of it, "
            "or train again."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no checkpoint of qmix_edu; name a file that `qmix-edu train` wrote.")
    return content


def save_policy(path: Path | str, learner: Learner) -> None:
    """Write the networks of a learner, and what they belong to."""
    save(Path(path), {**_identity(learner), "updates": learner.updates, "online": learner.online.state_dict()})


def load_policy(path: Path | str, learner: Learner) -> None:
    """Put the networks that ``save_policy`` wrote into a learner of the same kind.

    Raises:
        CheckpointError: the file is damaged, or is of another algorithm, environment or network.

    """
    content = load(Path(path))
    for name, expected in _identity(learner).items():
        if content.get(name) != expected:
            raise CheckpointError(
                f"The checkpoint {path} has {name} {content.get(name)!r}, but {expected!r} was asked for; "
                f"make the learner with the {name} of the checkpoint."
            )
    try:
        learner.online.load_state_dict(content["online"])
        learner.updates = content["updates"]
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"The checkpoint {path} has other layers than the learner; make the learner as it was when it was trained."
        ) from error
    learner.target.load_state_dict(learner.online.state_dict())


def _identity(learner: Learner) -> dict[str, str]:
    return {
        "environment": learner.spec.name,
        "algorithm": learner.algorithm,
        "agent": type(learner.online["agent"]).__name__,
    }
