"""A parallel corpus and prompts from those of one language: `python -m pinch.translate --help`.

`segments` cuts texts into what engines get, `checks` looks at what comes back. `api`, `hf` and `services` are the engines,
the last with `deepl`, `google`, `parcels`, `markup`, `carrier` and `address`. `memory` keeps what is paid for, `rows` reads
and writes, `estimate` says what it would take, `flow` is the way through.
"""
