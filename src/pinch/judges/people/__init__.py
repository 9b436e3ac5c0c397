"""Stage: judge=human: the page that is annotated, the files it saves, and what the annotators said, on disk."""
