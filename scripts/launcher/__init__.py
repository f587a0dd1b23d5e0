"""What `scripts/run`, `test`, `lint` and `bench` do, one file per concern.

`bootstrap` runs on the system's Python (standard library only) and makes `.venv`; all the rest
runs on the Python of that venv.
"""
