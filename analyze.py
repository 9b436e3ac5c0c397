"""Turn scores into tables, figures and one HTML report under multirun/<workspace>/analysis/.

python analyze.py              of the default workspace
python analyze.py --help       settings
"""

from pinch.doors import main

if __name__ == "__main__":
    raise SystemExit(main("analyze"))
