"""The investor's views: fetch, call one service or selector, render."""
