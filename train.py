"""Tune the models of a study and let them answer: corpus -> mixture -> tune -> generate.

python train.py                                      one cell, offline, with the embedded model and corpus
python train.py -m languages=one,two,three,four      a sweep; finished cells are skipped
python train.py --help                               groups and settings
"""

from pinch.doors import main

if __name__ == "__main__":
    raise SystemExit(main("train"))
