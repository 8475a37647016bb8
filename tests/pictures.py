"""What the tests of every picture ask."""

import matplotlib.pyplot as plt


def axes_without_labels() -> list[str]:
    """Name the axes of the current figure that do not say what they show; a colour bar has to label only one."""
    silent = list[str]()
    for ax in plt.gcf().axes:
        labels = [ax.get_xlabel(), ax.get_ylabel()]
        if not (any(labels) if ax.get_label() == "<colorbar>" else all(labels)):
            silent.append(f"{ax.get_title()!r} {labels}")
    return silent
