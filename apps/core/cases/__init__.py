"""Evaluates worked cases (inputs, expected numbers) with the general code of the core.

`python -m apps.core.cases FILE` prints every mismatch and ends with `N passed, M failed`.

case     a case's inputs, and parsing of the numbers and options in it
compare  expected against found, with the case's tolerance
runner   which outputs an expected key means; one verdict per case
*_ops    each op: from inputs to named outputs, by the public functions of the core
"""
