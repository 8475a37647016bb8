"""Make or refresh `.venv`: `python3 tools/setup_venv.py [--extra dev]`.

Uses the standard library only and the syntax of Python 3.6, so that an old Python can say that it is too
old. A second call returns at once: the stamp holds a fingerprint of what was installed and is written last.
Every failure is one line on standard error and exit status 1; pip's whole output is in `.venv/setup.log`.
"""

import argparse
import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
NEEDED_GB = {"new": 3.0, "refresh": 1.0}
STAMP = "qmix-edu-ready.json"
# there while pip changes the environment; found at the start, it means that the last set-up broke off
MARKER = "qmix-edu-installing"
PHASES = ("Collecting", "Downloading", "Installing", "Building", "Preparing")  # first words of pip's lines
NO_SPACE = ("No space left on device", "[Errno 28]", "Disk quota exceeded", "[Errno 122]")
NO_NETWORK = (
    "NewConnectionError",
    "Failed to establish a new connection",
    "Connection refused",
    "name resolution",
    "Name or service not known",
    "getaddrinfo failed",
    "nodename nor servname",
    "Network is unreachable",
    "timed out",
    "ProxyError",
    "Cannot connect to proxy",
    "SSLError",
    "Connection reset by peer",
    "setuptools>=77 (from versions: none)",  # every index has it; without retries, pip does not say more
)
# JupyterLab asks its users about news, and asks the network for them; neither belongs to a lesson.
LAB_OVERRIDES = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


class SetupError(Exception):
    """What is missing and what to do, in one line."""


def check_python(version=sys.version_info):
    """Raise if `version` is older than the course needs."""
    if tuple(version[:2]) < OLDEST:
        raise SetupError(
            "Python {}.{} ({}) is too old: install Python {}.{} or newer, or name one, as in `make lab "
            "PYTHON=python3.11`.".format(version[0], version[1], sys.executable, *OLDEST)
        )


def check_modules(names=("venv", "ensurepip", "ssl")):
    """Raise if a module that makes environments is missing, as on a Debian without python3-venv."""
    for name in names:
        try:
            __import__(name)
        except ImportError:
            raise SetupError(
                "{} has no module '{}': install it (on Debian, apt-get install python{}.{}-venv) or name "
                "another Python, as in `make lab PYTHON=python3.11`.".format(
                    sys.executable, name, *sys.version_info[:2]
                )
            ) from None


def check_writable(folder):
    """Raise if no file can be made in `folder`."""
    try:
        handle, path = tempfile.mkstemp(dir=folder)
        os.close(handle)
        os.remove(path)
    except OSError as error:
        raise SetupError(
            "cannot write in {} ({}): put the repository in a folder of your own.".format(folder, error.strerror)
        ) from None


def check_disk(folder, needed_gb):
    """Raise if the disk of `folder` has less than `needed_gb` free."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise SetupError(
            "{:.1f} GB are free in {} and set-up needs about {:.0f} GB: free some disk and try again.".format(
                free_gb, folder, needed_gb
            )
        )


def venv_python(venv):
    """Return the path of the environment's interpreter."""
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(venv, *parts)


def fingerprint(venv):
    """Return a hash of what decides the installation; of the place, too: an environment cannot be moved."""
    digest = hashlib.sha256(os.path.abspath(venv).encode())
    for name in ("pyproject.toml", "requirements.lock", os.path.join("tools", "setup_venv.py")):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def read_stamp(venv):
    """Return the stamp of a finished set-up, or an empty one."""
    try:
        with open(os.path.join(venv, STAMP), encoding="utf-8") as file:
            stamp = json.load(file)
        return {"fingerprint": stamp["fingerprint"], "extras": list(stamp["extras"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"fingerprint": None, "extras": []}


def is_usable(venv):
    """Return whether `venv` has a Python that is new enough, pip, and no installation that broke off."""
    if os.path.exists(os.path.join(venv, MARKER)):
        return False
    code = "import sys, pip; sys.exit(sys.version_info < {!r})".format(OLDEST)
    try:
        return subprocess.call([venv_python(venv), "-c", code], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


@contextlib.contextmanager
def alone():
    """Hold a lock on this file, or raise if another set-up of the same clone holds it.

    The lock ends with us and with pip, who inherits it: should we be killed, pip may still be at work.
    """
    with open(os.path.abspath(__file__), "rb") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise SetupError("another set-up is at work in {}: wait until it has ended.".format(ROOT)) from None
        yield


def make_venv(venv):
    """Make a new environment, replacing one that is broken or half made; touch nothing else."""
    is_environment = os.path.exists(os.path.join(venv, "pyvenv.cfg"))
    if not is_environment and any(files for _, _, files in os.walk(venv)):
        raise SetupError("{} exists and is not a Python environment: move it away and try again.".format(venv))
    say("making {} with {}".format(os.path.relpath(venv, ROOT), sys.executable))
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise SetupError(explain(done.stdout.decode(errors="replace"), "the output of python -m venv"))


def pip_command(venv, extras):
    """Return the pip command that installs the package and `extras` as the lock says."""
    target = "." + ("[{}]".format(",".join(extras)) if extras else "")
    command = [venv_python(venv), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "-c", "requirements.lock", "-e", target]
    if os.environ.get("TORCH_INDEX"):
        command += ["--extra-index-url", os.environ["TORCH_INDEX"]]
    return command


def explain(output, log):
    """Turn the output of a failed command into one line."""
    errors = [line.strip() for line in output.splitlines() if line.strip().lower().startswith("error")]
    if any(sign in output for sign in NO_SPACE):
        return "the disk is full (pip also unpacks in {}): free about {:.0f} GB and try again.".format(
            tempfile.gettempdir(), NEEDED_GB["new"]
        )
    if any(sign in output for sign in NO_NETWORK):
        return "pip cannot reach its package index: check the network (and the proxy, if any) and try again."
    last = errors[-1] if errors else (output.strip().splitlines() or ["no output"])[-1]
    return "{} (all of it: {})".format(last[:300], log)


def say(text):
    """Print one line of progress."""
    print("set-up: " + text, flush=True)


def follow(lines, log, marker):
    """Copy pip's lines to `log`, show where it is, set `marker` when it installs; return its last lines."""
    start = shown = time.time()
    tail = []
    for line in lines:
        log.write(line)
        log.flush()
        tail = (tail + [line])[-200:]
        words = line.split()
        if len(words) < 2 or words[0] not in PHASES:
            continue
        if line.startswith("Installing collected packages"):
            open(marker, "w").close()
        text = "{:4.0f} s  {}".format(time.time() - start, " ".join(words)[:70])
        if sys.stdout.isatty():
            print("\r\033[Kset-up: " + text, end="", flush=True)
        elif time.time() - shown > 15 or words[0] == "Installing":
            say(text)
            shown = time.time()
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)
    return "".join(tail)


def install(venv, extras):
    """Install the package, what it needs and `extras`; the marker stays behind if that breaks off."""
    log_path = os.path.join(venv, "setup.log")
    marker = os.path.join(venv, MARKER)
    say("installing with pip, some minutes the first time; details in " + os.path.relpath(log_path, ROOT))
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            pip_command(venv, extras),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            close_fds=False,
            env=dict(os.environ, PIP_USER="0", PYTHONIOENCODING="utf-8"),
            encoding="utf-8",
            errors="replace",
        )
        try:
            tail = follow(process.stdout, log, marker)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if status:
        raise SetupError(explain(tail, os.path.relpath(log_path, ROOT)))
    if os.path.exists(marker):
        os.remove(marker)


def write_lab_overrides(venv):
    """Switch JupyterLab's news off in this environment, leaving the user's own settings alone."""
    folder = os.path.join(venv, "share", "jupyter", "lab", "settings")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "overrides.json"), "w", encoding="utf-8") as file:
        json.dump(LAB_OVERRIDES, file, indent=2)


def set_up(venv, extras):
    """Bring `venv` to the state that `pyproject.toml` and the lock describe, if it is not there already."""
    check_python()
    stamp = read_stamp(venv)
    wanted = fingerprint(venv)
    if stamp["fingerprint"] == wanted and set(extras) <= set(stamp["extras"]) and is_usable(venv):
        return
    check_modules()
    check_writable(os.path.dirname(venv))
    with alone():
        usable = is_usable(venv)
        check_disk(os.path.dirname(venv), NEEDED_GB["refresh" if usable else "new"])
        if not usable:
            make_venv(venv)
            stamp = read_stamp(venv)
        extras = sorted(set(extras) | set(stamp["extras"]))
        install(venv, extras)
        write_lab_overrides(venv)
        with open(os.path.join(venv, STAMP), "w", encoding="utf-8") as file:
            json.dump({"fingerprint": wanted, "extras": extras}, file)
    say("done")


def main(arguments=None):
    """Run set-up and return the exit status."""
    parser = argparse.ArgumentParser(description="Make or refresh the environment of the course.")
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml, as in dev")
    parser.add_argument("--venv", default=os.path.join(ROOT, ".venv"), help="where to make it (default: .venv)")
    options = parser.parse_args(arguments)
    try:
        set_up(os.path.abspath(options.venv), options.extra)
    except SetupError as error:
        print("set-up: " + str(error), file=sys.stderr)
        return 1
    except OSError as error:
        print("set-up: " + explain(str(error), "above"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
