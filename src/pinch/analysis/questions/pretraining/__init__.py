"""Stage: does a language's share of the pre-training pages matter? `section.look` answers."""
