"""Stage: engine server, a server with an OpenAI-compatible completions interface answers (docs/generation.md).

    with serving(question, asked) as session:
        session.answers(prompts, progress)      one Answer per prompt, in the order of the prompts
        session.facts                           what the server is, and what it said of itself

No weights are read here: prompts are framed and counted by the tokenizer, everything else is the server's. Rooms: `wire`,
one request and what can go wrong with it; `manner`, how requests and replies look; `names`, under which name the server has
a cell's model; `effect`, whether its tuning is active; `session`, all of that in turn.
"""

from pinch.generation.server.session import Question, Session, serving

__all__ = ["Question", "Session", "serving"]
