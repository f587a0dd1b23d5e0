"""Every page in Chromium: axe, both themes, a phone's width, the policy; and pictures for review.

PRORATA_SCREENS=var/screens pytest tests/pages    # also writes light, dark, RTL and phone PNGs
"""
