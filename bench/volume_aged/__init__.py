"""An aged volume beside a fresh one and plain folders that had the same: `python -m bench.volume_aged --help`."""
