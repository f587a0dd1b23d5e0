"""Reads on the record: `books` for who oversees a book, `accounts` for who owns an account."""
