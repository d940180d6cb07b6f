"""All a board needs, put together on the computer: models, wheels, installer, self-test."""
