"""Views of the office: fetch, call one service, return."""
