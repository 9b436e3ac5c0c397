"""What a sweep would do, found out without torch: `python train.py -m ... plan=true`, or plan=json for programs.

    make(wishes)                 the SweepPlan: plain values
    show(plan, console)          as tables; `tables` gives them
    to_json(plan)                as one JSON document
    existing(jobs)               the other cells of the jobs' workspaces
    missing_references(jobs, existing)   settings of the references that the jobs' scores will lack

The JSON document (seconds and points as numbers, null where nothing is known):

    asked, distinct, done, half_done, to_do     numbers of jobs, of their cells, and of these by state
    cells         of each: id, state, added, unanswered (languages)
    invalid       of each: job (its place, from 1), words (of the command line), reason
    mixtures      of each: languages, fraction, budget, counts (by language), seeds, cells
    references    missing (languages by kind), commands, added (ids), never (languages)
    answers       number, languages, cells
    judge_calls   most, judged, judge, kinds
    duration      seconds, slots, of_family, of_model, unknown
    effect        prompts, one_language, unseen_languages, unseen_average, tie_rate, correlation, power, confidence, source
    notes         sentences
    exit_code     2 when a job is invalid, else 0

pinch.plan.records says what each of them means.
"""

from pinch.plan.bench import missing_references
from pinch.plan.making import existing, make
from pinch.plan.printing import show, tables, to_json
from pinch.plan.records import SweepPlan

__all__ = ["SweepPlan", "existing", "make", "missing_references", "show", "tables", "to_json"]
