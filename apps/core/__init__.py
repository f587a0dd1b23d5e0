"""Core: the mathematics and the book's state machine, pure.

Integers and Decimal for whatever is posted, NumPy int64 where a book is large. No Django, no
clock, no randomness, no I/O: time, ids and rates are arguments. Imports nothing of the project.
"""
