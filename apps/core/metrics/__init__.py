"""Metrics (math.md §4). Returns from amounts are exact Fractions; curves and ratios are floats.

returns  time-weighted (net, gross), modified Dietz, XIRR, IRR, drawdown on the index
ratios   volatility, Sharpe, Sortino, Calmar, CAGR of periodic returns
trades   win rate, profit factor, expectancy, gain to pain, exposure
gain     "gain" and "absolute gain" of a stream of deposits and trades
"""
