"""Stage: can a judge be trusted? Attacks that try to talk it into a verdict, and questions that it must get right."""
