"""The rooms of Prorata. Imports run downwards only; pyproject's import-linter contracts keep it."""
