"""Dependencies point one way: payoff tables know no torch, the library knows no widgets, plots know no networks."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# from the bottom up: a module imports from lower layers only; those not named here are above all of these
LAYERS = (
    {"types", "plots", "battle_plots"},
    {"td", "episodes", "agents"},
    {"envs", "mixers", "exploration", "loss_weights", "replay"},
    {"learner", "igm_complete", "scripted"},
    {"rollout", "settings", "weighted_qmix", "qtran", "joint_q", "independent", "quantiles", "actor_critic"},
    {"algorithms", "evaluate"},
    {"train"},
)
MATRIX_GAMES_MAY_USE = {"numpy", "scipy", "matrix_games"}


def imports(source: str, module: str) -> set[str]:
    """Return the full names of what `source`, the text of `module`, imports; also inside functions."""
    package = module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join(base + (node.module.split(".") if node.module else []))
            found |= {f"{prefix}.{alias.name}" for alias in node.names}
    return found


def at_run_time(source: str) -> str:
    """Return `source` without its `if TYPE_CHECKING:` blocks, which import nothing."""

    class Strip(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:  # noqa: N802
            return None if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)

    return ast.unparse(Strip().visit(ast.parse(source)))


def modules(package: str) -> dict[str, str]:
    """Return the text of every module of `package` by its full name; a package's own text ends in `.__init__`."""
    files = sorted((ROOT / package).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file.read_text() for file in files}


def height(part: str) -> int:
    """Return the layer of a module of qmix_edu."""
    return next((i for i, layer in enumerate(LAYERS) if part in layer), len(LAYERS))


def layer_errors(sources: dict[str, str]) -> list[str]:
    """Return one line for each import that points against the direction of the data."""
    errors = []
    for module, source in sources.items():
        part = module.split(".")[1]
        names = imports(at_run_time(source), module)
        used = {name.split(".")[1] for name in names if name.startswith("qmix_edu.")} - {part, "__init__"}
        above_all = height(part) == len(LAYERS)
        wrong = {name for name in used if name == "widgets" or not (above_all or height(name) < height(part))}
        errors += [f"{module} imports qmix_edu.{name}" for name in sorted(wrong)]
    return errors


def foreign(sources: dict[str, str]) -> set[str]:
    """Return the packages outside the standard library that `sources` import."""
    tops = {name.split(".")[0] for module, source in sources.items() for name in imports(source, module)}
    return tops - set(sys.stdlib_module_names)


def test_no_import_points_backwards():
    assert layer_errors(modules("qmix_edu")) == []


def test_every_module_of_the_rules_exists():
    missing = [name for name in set().union(*LAYERS) if not list((ROOT / "qmix_edu").glob(f"{name}*"))]
    assert missing == []


def test_matrix_games_uses_numpy_and_scipy_alone():
    assert foreign(modules("matrix_games")) <= MATRIX_GAMES_MAY_USE


@pytest.mark.parametrize("module", ["plots", "battle_plots"])
def test_plots_know_no_torch_and_no_jax(module: str):
    source = (ROOT / f"qmix_edu/{module}.py").read_text()
    assert foreign({f"qmix_edu.{module}": source}).isdisjoint({"torch", "jax", "jaxmarl", "anywidget", "ipywidgets"})


@pytest.mark.parametrize(
    ("module", "source", "error"),
    [
        ("qmix_edu.td", "from qmix_edu.learner import Learner", "qmix_edu.td imports qmix_edu.learner"),
        ("qmix_edu.td", "from . import learner", "qmix_edu.td imports qmix_edu.learner"),
        ("qmix_edu.td", "from .learner import Learner", "qmix_edu.td imports qmix_edu.learner"),
        ("qmix_edu.td", "def f():\n import qmix_edu.widgets", "qmix_edu.td imports qmix_edu.widgets"),
        ("qmix_edu.rollout", "from qmix_edu import settings", "qmix_edu.rollout imports qmix_edu.settings"),
        ("qmix_edu.plots", "from qmix_edu import types", "qmix_edu.plots imports qmix_edu.types"),
        ("qmix_edu.cli", "import qmix_edu.widgets.landscape", "qmix_edu.cli imports qmix_edu.widgets"),
        ("qmix_edu.envs.smax", "from ..learner import Learner", "qmix_edu.envs.smax imports qmix_edu.learner"),
    ],
)
def test_the_rule_sees_an_import_that_points_backwards(module: str, source: str, error: str):
    assert layer_errors({module: source}) == [error]


def test_the_rule_lets_types_alone_pass():
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from qmix_edu.learner import Learner"
    assert layer_errors({"qmix_edu.td": source}) == []


def test_a_foreign_package_is_seen():
    assert foreign({"matrix_games.games": "import os\ndef f():\n    import torch.nn"}) == {"torch"}
