"""The embedded world: corpus, prompts and base model of the offline default, made on the user's machine."""
