"""Stage: how much of the budget must be multilingual? `section.look` answers."""
