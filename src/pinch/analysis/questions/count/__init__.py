"""Stage: how many tuning languages does it take? `section.look` answers."""
