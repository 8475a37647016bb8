"""Put the curves of finished sweeps, and one trained team of each algorithm named, into the package.

    python tools/pack_pretrained.py runs/pretrained   # folders 3m and 3s_vs_5z, each made by `qmix-edu sweep`

`make pretrained` runs the sweeps first. Of an algorithm's seeds the one with the median final win rate is taken; of an
even number, the higher of the two in the middle.
"""

import json
import shutil
import sys
from pathlib import Path

from qmix_edu.pretrained import FOLDER
from qmix_edu.runs import Run

TEAMS = {"3m": ("qmix",), "3s_vs_5z": ("qmix", "vdn", "iql")}


def summary(run: Run) -> dict[str, object]:
    """Return what is kept of a run: its curve, its last evaluation, what it cost."""
    lines = run.logged()
    evaluations = [line for line in lines if line.get("win_rate") is not None]
    return {
        "seed": run.settings.seed,
        "env_steps": [line["env_steps"] for line in evaluations],
        "win_rate": [line["win_rate"] for line in evaluations],
        "final_win_rate": run.result()["win_rate"],
        "cpu_seconds": lines[-1]["cpu_seconds"],
    }


def pack(sweep: Path, target: Path) -> None:
    """Write the curves of a sweep's finished runs, and its teams."""
    runs = [Run.open(path.parent) for path in sorted(sweep.glob("*/result.json"))]
    found: dict[str, list[tuple[dict[str, object], Run]]] = {}
    for run in runs:
        found.setdefault(run.settings.algorithm, []).append((summary(run), run))
    lines = (
        f'"{name}": [\n' + ",\n".join(json.dumps(kept) for kept, _ in of_it) + "\n]" for name, of_it in found.items()
    )
    (target / f"{sweep.name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    for algorithm in TEAMS[sweep.name]:
        by_result = sorted(found[algorithm], key=lambda pair: pair[0]["final_win_rate"])
        _, median = by_result[len(by_result) // 2]
        team = target / f"{sweep.name}-{algorithm}"
        team.mkdir(exist_ok=True)
        for name in ("settings.json", "policy.pt"):
            shutil.copyfile(median.folder / name, team / name)
        print(f"{team.name}: seed {median.settings.seed}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.name in TEAMS):
        pack(folder, FOLDER)
