"""Grade thirty submissions of chapter 06, ten of which are hostile or broken, and say how long it took.

    python benchmarks/grading.py

Needs bubblewrap. Exits with 1 when a file of a submission changed, or somebody got no grade or no page.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
RIGHT = """\
def count_falls(surface):
    return int((np.diff(surface, axis=0) < 0).sum() + (np.diff(surface, axis=1) < 0).sum())
"""
DELETE = "import shutil\nfor folder in ('/tmp', '/home', '.', '..'): shutil.rmtree(folder, ignore_errors=True)\n"
CALL = "import socket\ndef count_falls(_):\n    return socket.create_connection(('192.0.2.1', 80), timeout=30)"
FORK = "import os\nfor _ in range(50):\n    try: os.fork()\n    except OSError: pass\n"
HOSTILE = {
    "loop": "def count_falls(surface):\n    while True: pass",
    "sleeper": "import time\ndef count_falls(surface): time.sleep(10**6)",
    "memory": "kept = []\ndef count_falls(surface):\n    while True: kept.append(bytearray(10**8))",
    "deleter": DELETE + RIGHT,
    "printer": "print('x' * 100_000_000)\n" + RIGHT,
    "caller": CALL,
    "forker": FORK + RIGHT,
}
MISTAKES = {
    "one axis": "def count_falls(surface):\n    return int((np.diff(surface, axis=0) < 0).sum())",
    "rises": RIGHT.replace("< 0", "> 0"),
    "ties": RIGHT.replace("< 0", "<= 0"),
}


def with_code(notebook: dict[str, Any], code: str) -> bytes:
    """Return the notebook with this code for exercise 1."""
    copy = json.loads(json.dumps(notebook))
    for cell in copy["cells"]:
        if re.search(r"^def count_falls\b", "".join(cell["source"]), re.MULTILINE):
            cell["source"] = code
    return json.dumps(copy).encode()


def submissions() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every submission."""
    solution, student = (
        json.loads(next((NOTEBOOKS / kind).glob("06_*.ipynb")).read_text()) for kind in ("solutions", "")
    )
    for name, code in (HOSTILE | MISTAKES).items():
        yield name, with_code(solution, code)
    edited = json.loads(with_code(solution, MISTAKES["rises"]))
    for cell in edited["cells"]:
        if "check_count_falls(count_falls)" in "".join(cell["source"]):
            cell["source"] = "print('correct')"
    yield "edited checks", json.dumps(edited).encode()
    yield "no json", b"<html>"
    yield "empty", b""
    for k in range(5):
        yield f"blank {k}", json.dumps(student).encode()
        yield f"first exercise {k}", with_code(student, RIGHT)
    for k in range(7):
        yield f"all {k}", json.dumps(solution).encode()


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def main() -> int:
    """Write the class, grade it by the command, and look at what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary) / "submissions", Path(temporary) / "results" / "grades.csv"
        folder.mkdir()
        for name, data in submissions():
            (folder / f"{name}.ipynb").write_bytes(data)
        before, start = hashes(folder), time.monotonic()
        command = [Path(sys.executable).with_name("qmix-edu"), "grade", folder, "--chapter", "06", "--out", out]
        subprocess.run(command, check=True)
        took = time.monotonic() - start
        rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
        pages = {path.stem for path in (out.parent / "grades_feedback" / "students").iterdir()}
        print(f"{len(rows)} submissions graded in {took:.0f} s: points {[row['total'] for row in rows]}")
        complete = {row["student"] for row in rows} == pages == {Path(name).stem for name in before}
        return 0 if complete and hashes(folder) == before else 1


if __name__ == "__main__":
    sys.exit(main())
