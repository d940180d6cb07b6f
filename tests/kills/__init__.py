"""Commands that are killed again and again, and what is left of them: ``python -m tests.kills``."""
