"""Stage: judge=api, a model behind a chat server that speaks the OpenAI protocol; `judge` says which module does what."""
