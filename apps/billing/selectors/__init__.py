"""Reading billing: what happened in a window, what a person was charged."""
