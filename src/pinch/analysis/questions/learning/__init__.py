"""Stage: how did the losses fall, and on which languages' tokens? `section.look` answers."""
