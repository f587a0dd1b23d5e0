"""Changing billing: plans, runs, collection, documents, mail."""
