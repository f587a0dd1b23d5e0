#!/usr/bin/env python
"""Django's command line. Beside a running `scripts/run` it meets the same servers."""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # Real variables win; the file is there while scripts/run is.
    environ.Env.read_env(Path(__file__).resolve().parent / "var/run/current.env")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if {"--help", "-h"} & set(sys.argv):
        os.environ.setdefault("DEBUG", "1")  # help needs no secrets and touches no data
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error} Start scripts/run, or see .env.example.")
