# make demo    set-up and the main job on the embedded default, offline; ends with the findings and a report
# make test    set-up and all tests
# make test-slow, make lint, make docs
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
PIP = $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO ?= demo

.PHONY: demo test test-slow lint docs clean

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Pinch needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(PIP) -e '.[test,lint]'
	@touch $@

# Two sweeps share the work, one per core: the models that others are compared with are made beside the main sweep.
# Whichever comes first makes the base model, the other waits for it.
demo: $(VENV)/.ready
	@mkdir -p multirun
	@echo "the monolingual references are made beside the main sweep; their log: multirun/$(DEMO)-references.log"
	@$(RUN) train.py -m workspace=$(DEMO) languages=one languages.base=ar,zh,cs,et,fi,he,hi,it,ru,es,sw \
	    > multirun/$(DEMO)-references.log 2>&1 & references=$$!; \
	set -x; \
	$(RUN) train.py -m workspace=$(DEMO) languages=one,two,three,four mixture.fraction=0,0.01,0.1,0.5,1 \
	    || { kill $$references; exit 1; }; \
	wait $$references || { cat multirun/$(DEMO)-references.log; exit 1; }
	$(RUN) train.py workspace=$(DEMO) tuning=none
	$(RUN) evaluate.py workspace=$(DEMO)
	$(RUN) analyze.py workspace=$(DEMO)

test: $(VENV)/.ready-test
	$(RUN) -m pytest -n 2 -m 'not slow'

test-slow: $(VENV)/.ready-test
	$(RUN) -m pytest -m slow

lint: $(VENV)/.ready-test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The figure and the numbers that the README shows, from the last demo.
docs: multirun/$(DEMO)/analysis/report.md
	mkdir -p docs/demo
	cp multirun/$(DEMO)/analysis/*.png multirun/$(DEMO)/analysis/*.csv $< docs/demo/

clean:
	rm -rf $(VENV) build dist src/*.egg-info
