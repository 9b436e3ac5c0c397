"""Compare the answers of every cell with those of its references, in both orders, and score them.

python evaluate.py                               with the embedded judge; stored verdicts are not asked again
python evaluate.py judge=api judge.model=NAME    with a model behind an OpenAI-compatible server (docs/judges.md has more)
python evaluate.py plan=true                     what judging would take
python evaluate.py --help                        groups and settings
"""

from pinch.doors import main

if __name__ == "__main__":
    raise SystemExit(main("evaluate"))
