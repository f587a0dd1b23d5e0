"""Drills: see README.md here and scripts/drill --help."""
