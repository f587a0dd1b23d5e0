"""Two commands run everything: `scripts/run` and `scripts/test`; the code is in `launcher`."""
