#!/bin/sh
# Finds a Python of 3.11 or later and hands over to bootstrap.py. Standard tools only.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -I "$here/bootstrap.py" "$@"
    fi
done
echo "✗ Python 3.11 or later is needed: apt-get install -y python3 python3-venv (or set PYTHON to its path)" >&2
exit 1
