"""Fraud and strategy-theft rules (math.md §6): pure scores; every threshold is a setting.

copying  copy score of a suspect account against a master, its significance, the flipped score
abuse    latency arbitrage, cross-account hedge, churning, bonus abuse
conduct  calendar scheme, cherry-picking, self-dealing
"""
