"""The investor's portal."""
