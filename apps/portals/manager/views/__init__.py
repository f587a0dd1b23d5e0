"""The terminal's views: fetch, call one service, render."""
