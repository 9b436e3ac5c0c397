# make demo    set-up and the main job on the embedded default, offline; ends with the findings and a report
# make test    set-up and all tests
# make test-slow, make lint, make docs
# make bench    one cell and its answers beside other libraries, set up here: about twelve minutes
# make test-server    judge=api and generation=server against a real server on this machine, set up here
# make test-engines    the same sweep through Slurm, Ray and joblib, set up here: minutes; Slurm wants root, or its packages installed
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
PIP = $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO ?= demo

.PHONY: demo test test-slow test-engines test-server bench lint docs gallery clean

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Pinch needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(PIP) -e '.[test,lint]'
	@touch $@

demo: $(VENV)/.ready
	$(RUN) train.py -m workspace=$(DEMO) languages=one,two,three,four mixture.fraction=0,0.01,0.1,0.5,1 plan.add_references=true
	$(RUN) evaluate.py workspace=$(DEMO)
	$(RUN) analyze.py workspace=$(DEMO)

test: $(VENV)/.ready-test
	$(RUN) -m pytest -n 2 --dist worksteal -m 'not slow'

test-slow: $(VENV)/.ready-test
	$(RUN) -m pytest -m slow

# Launchers and servers live in environments of their own that lie over the main one: they want other versions of packages.
PURELIB = -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
$(VENV)/engines/.ready: EXTRAS = submitit,joblib
$(VENV)/ray/.ready: EXTRAS = ray
$(VENV)/server/.ready: EXTRAS = server
$(VENV)/bench/.ready: EXTRAS = bench
$(VENV)/engines/.ready $(VENV)/ray/.ready $(VENV)/server/.ready $(VENV)/bench/.ready: $(VENV)/.ready
	$(RUN) -m venv $(@D)
	echo "import site; site.addsitedir('$$($(RUN) $(PURELIB))')" > $$($(@D)/bin/python $(PURELIB))/main.pth
	grep -v '^python-dateutil=' constraints.txt > $(@D)/constraints.txt  # Ray wants an older one
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c $(@D)/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

test-engines: $(VENV)/engines/.ready $(VENV)/ray/.ready
	RAY_PYTHON=$(VENV)/ray/bin/python $(VENV)/engines/bin/python tests/engines/run.py

test-server: $(VENV)/server/.ready
	$(VENV)/server/bin/python tests/servers/run.py

# One cell and its answers beside other libraries, on an idle machine; every result in bench/ (benchmarks/README.md).
bench: $(VENV)/bench/.ready
	$(VENV)/bench/bin/python benchmarks/tuning.py --sizes 5.3M --rounds 2 --profile --out bench/tuning-5.3M
	$(VENV)/bench/bin/python benchmarks/tuning.py --sizes 29.5M --examples 16 --rounds 1 --profile --out bench/tuning-29.5M
	$(VENV)/bench/bin/python benchmarks/answers.py --rounds 2 --out bench/answers

lint: $(VENV)/.ready-test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The figure and the numbers that the README shows, from the last demo.
docs: multirun/$(DEMO)/analysis/report.md
	$(RUN) scripts/gallery.py multirun/$(DEMO)/analysis docs/demo

# The figures of docs/gallery: every experiment of the paper, three seeds, in the embedded world. About twenty minutes on 2 cores.
gallery: $(VENV)/.ready
	$(RUN) train.py +experiment=paper workspace=gallery seed=0,1,2
	$(RUN) evaluate.py workspace=gallery
	$(RUN) analyze.py workspace=gallery
	$(RUN) scripts/gallery.py multirun/gallery/analysis docs/gallery

clean:
	rm -rf $(VENV) build dist src/*.egg-info
