"""Demo: seeds two brokers and runs the main job that `scripts/run --smoke` proves.

May import every room.
"""
