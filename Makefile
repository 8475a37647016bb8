# The course's commands. `make help` lists them; only Python 3.11 (or newer), pip and make are needed.
# Set-up happens by itself: the first time takes minutes, later ones a moment.

# the first Python that is new enough; name another with `make lab PYTHON=...`
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
endif

BIN := .venv/bin
FIRST_PAGE := 00_start_here.ipynb
CODE := qmix_edu matrix_games tools tests
BENCHMARKS := matrix_game_costs speed
SWEEP := $(BIN)/qmix-edu sweep --out runs/pretrained
COPIES := solutions
# JupyterLab refuses to run as root (in a container, say) unless it is told to
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help python set-up set-up-dev lab test lint notebooks badges release course site picture pretrained bench tables lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /	/' | expand -t 12

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "set-up: no '$(PYTHON)' found: install Python 3.11 or newer, or name one, as in 'make lab PYTHON=python3.11'." >&2; \
		exit 1; }

set-up: python
	@$(PYTHON) tools/setup_venv.py

set-up-dev: python
	@$(PYTHON) tools/setup_venv.py --extra dev

lab: set-up ## open the course in JupyterLab (LAB_ARGS=--no-browser: without a browser)
	@echo "lab: opening notebooks/$(FIRST_PAGE) in JupyterLab, reachable from this machine only; Ctrl-C ends it"
	@cd notebooks && exec ../$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --LabApp.default_url=/lab/tree/$(FIRST_PAGE) \
		$(AS_ROOT) $(LAB_ARGS)

test: set-up-dev ## run every test (TEST_ARGS="tests/repository -q": some of them)
ifdef TEST_ARGS
	@$(BIN)/python -m pytest $(TEST_ARGS)
else
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser"
	@$(BIN)/python -m pytest -m browser # alone: they time how soon a key is seen
endif

lint: set-up-dev ## style, formatting, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

notebooks: set-up-dev ## make the student and solution copies from notebooks/source
	@$(BIN)/python tools/notebooks.py

badges: set-up-dev ## say where the course is published (REPOSITORY=owner/name on GitHub): badges, address to install from
	@$(BIN)/python tools/badges.py $(REPOSITORY)

release: set-up-dev ## what a teacher hands out, and a course for nbgrader: build/release
	@$(BIN)/python tools/release.py

course: set-up-dev ## run every notebook at full length; results in build/course (COPIES=student: those for the site)
	@$(BIN)/python tools/course.py $(COPIES)

site: set-up-dev ## build the site in build/site, offline, from what `make course COPIES=student` left
	@$(BIN)/python tools/build_site.py

picture: set-up-dev ## make the README's picture
	@$(BIN)/python tools/picture.py

bench: set-up-dev ## time what must be fast (BENCHMARKS="matrix_game_costs": some)
	@set -e; for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py; done

tables: set-up-dev ## make the marked tables of docs/results.md again: much of an hour (TABLES="closed-forms": some)
	@$(BIN)/python benchmarks/tables.py $(TABLES)

pretrained: set-up-dev ## train the teams and curves of qmix_edu/pretrained again: more than two hours on two cores
	@$(SWEEP)/3m smax/3m --algorithms qmix,vdn,iql --seeds 5 --steps 300000
	@$(SWEEP)/3m smax/3m --algorithms qmix_ns,qmix_lin,vdn_s,ow_qmix,qplex --seeds 3 --steps 300000
	@$(SWEEP)/3s_vs_5z smax/3s_vs_5z --algorithms qmix,vdn,iql --seeds 5 --steps 2000000
	@$(BIN)/python tools/pack_pretrained.py runs/pretrained

lock: set-up-dev ## make requirements.lock agree with pyproject.toml (LOCK_ARGS=--upgrade: newest versions)
	@cp requirements.lock .venv/requirements.lock
	@CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet $(LOCK_ARGS) --all-extras --strip-extras --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file .venv/requirements.lock pyproject.toml
	@sed 's/+cpu$$//' .venv/requirements.lock > requirements.lock

clean: ## remove .venv and everything that was built
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
