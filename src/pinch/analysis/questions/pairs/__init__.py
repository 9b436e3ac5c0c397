"""Stage: are two languages better than one? `section.look` answers."""
