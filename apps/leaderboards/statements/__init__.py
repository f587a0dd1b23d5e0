"""Statements of other platforms, read strictly. Pure: no Django, no clock."""
