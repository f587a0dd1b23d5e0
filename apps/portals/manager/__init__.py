"""The manager's terminal."""
