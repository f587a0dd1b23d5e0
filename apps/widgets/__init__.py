"""Widgets: what a broker embeds in a page of another origin.

May import leaderboards and below.
"""
