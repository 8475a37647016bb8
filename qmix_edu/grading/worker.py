"""The process that runs a student's code: ``python -m qmix_edu.grading.worker PIPE``, one exercise, then its end.

Reads one JSON object from standard input and writes one to the pipe, under the number that the object brought. What is
printed is the student's. Every limit is set before the first line of the student's code.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import json
import os
import re
import resource
import symtable
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from .sandbox import MOST_PROCESSES

LARGEST_FILE = 16_000_000
LONGEST_MESSAGE = 2000


def main() -> None:
    """Grade the exercise on standard input; never returns to code of the student's."""
    pipe = int(sys.argv[1])
    task = json.load(sys.stdin)
    number = task.pop("number")
    output, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)  # what the imports say is not the student's
    chapter = importlib.import_module(f"qmix_edu.exercises.chapter_{task['chapter']}")
    check = getattr(chapter, f"check_{task['exercise']}")
    os.dup2(output, 1)
    os.dup2(output, 2)
    limit(task["seconds"], task["memory_mb"])
    found = judge(check, task["exercise"], task["cell"], task["others"], task["given"])
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os.write(pipe, json.dumps({"number": number, **found}).encode())
    os._exit(0)  # no thread, no handler of the student's


def limit(seconds: float, memory_mb: int) -> None:
    """Limit this process and its children: CPU seconds, what they allocate, files, cores, how many they are."""
    limits = {"CPU": int(seconds) + 1, "DATA": memory_mb * 1_000_000, "FSIZE": LARGEST_FILE, "CORE": 0}
    if MOST_PROCESSES in os.environ:
        limits["NPROC"] = int(os.environ[MOST_PROCESSES])
    for name, most in limits.items():
        with contextlib.suppress(ValueError):  # a stricter limit holds already
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def judge(check: Callable[..., Any], exercise: str, cell: str, others: list[str], given: list[str]) -> dict[str, Any]:
    """Define the exercise and check it; return its status, message and misconception."""
    try:
        answer = define(exercise, cell, others, given)
    except BaseException as error:
        return outcome("stopped", f"the cell of `{exercise}` stopped with {type(error).__name__}: {error}")
    try:
        result = check(answer)
        fooled = result.status == "correct" and accepts_anything(check)
    except BaseException as error:
        return outcome("stopped", f"checking `{exercise}` stopped with {type(error).__name__}: {error}")
    if fooled:
        return outcome("stopped", "once this cell has run, the check accepts wrong answers too: it was tampered with.")
    return outcome(result.status, result.message, result.misconception)


def accepts_anything(check: Callable[..., Any]) -> bool:
    """Whether the check accepts an answer that cannot be right: a function that returns nothing."""
    try:
        return check(lambda *_, **__: None).status == "correct"
    except Exception:
        return False


def outcome(status: str, message: str, misconception: str | None = None) -> dict[str, Any]:
    """Return what is written to the pipe."""
    return {"status": status, "message": str(message)[:LONGEST_MESSAGE], "misconception": misconception}


def define(exercise: str, cell: str, others: list[str], given: list[str]) -> Any:
    """Run the exercise's cell, after what it needs of the chapter's own cells and of the student's other cells.

    What is needed: definitions of the names that the cell uses, of the names that those use, and so on. Bare
    expressions (prints, calls of checks) are left out.
    """
    module = ModuleType("submission")
    sys.modules["submission"] = module
    own = [s for s in parse(cell) if not isinstance(s, ast.Expr)]
    for statement in needed(own, [parse_quietly(given), parse_quietly(others)]):
        with contextlib.suppress(Exception):  # the name stays undefined, and a function that uses it says so
            execute(statement, module, "another cell")
    for statement in own:
        execute(statement, module, f"the cell of {exercise}")
    return getattr(module, exercise)


def parse(source: str) -> list[ast.stmt]:
    """Return a cell's statements, its lines for IPython (``%``, ``!``) made empty."""
    return ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)).body


def parse_quietly(cells: Iterable[str]) -> list[ast.stmt]:
    """Return the statements of those cells that are Python."""
    statements: list[ast.stmt] = []
    for cell in cells:
        with contextlib.suppress(Exception):
            statements += parse(cell)
    return statements


def execute(statement: ast.stmt, module: ModuleType, where: str) -> None:
    """Run one statement in the module."""
    exec(compile(ast.Module([statement], []), f"<{where}>", "exec"), module.__dict__)


def needed(own: list[ast.stmt], sources: list[list[ast.stmt]]) -> list[ast.stmt]:
    """Return the statements that define what ``own`` uses, in order; the first source that has a name gives it."""
    chosen = {id(s) for source in sources for s in source if "*" in bound(s)}
    known: set[str] = set(dir(builtins)).union(*map(bound, own))
    wanted: set[str] = set().union(*map(used, own)) - known
    while wanted:
        name = wanted.pop()
        known.add(name)
        givers = next((g for source in sources if (g := [s for s in source if name in bound(s)])), [])
        chosen |= {id(statement) for statement in givers}
        wanted |= set().union(*map(used, givers)) - known
    return [statement for source in sources for statement in source if id(statement) in chosen]


def bound(statement: ast.stmt) -> set[str]:
    """Return the names that a definition, an import or an assignment binds at its top level; of others none."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name.split(".")[0] for alias in names}
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
        case _:
            return set()


def used(statement: ast.stmt) -> set[str]:
    """Return the names of the module that a statement reads, also inside its functions: not their own variables."""

    def inside(scope: symtable.SymbolTable) -> set[str]:
        names = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
        return names.union(*map(inside, scope.get_children()))

    module = symtable.symtable(ast.unparse(statement), "<cell>", "exec")
    return {s.get_name() for s in module.get_symbols() if s.is_referenced()}.union(*map(inside, module.get_children()))


if __name__ == "__main__":
    main()
