"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(path: Path) -> Generator[BinaryIO]:
    """Write to a temporary name beside ``path``, then rename it: whoever reads sees the old file or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all; OSError says in one sentence that it could not be written."""
    try:
        with written_whole(path) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: Exception) -> OSError:
    """Say in one sentence that a file could not be written."""
    reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return OSError(
        f"{path} could not be written ({reason}); see that its disk has room and can be written, then try again. "
        "What was saved before is intact."
    )
