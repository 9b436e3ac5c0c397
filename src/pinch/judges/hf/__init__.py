"""Stage: judge=hf, a local Hugging Face model that is asked for the probabilities of two labels."""
