"""What a pool costs: a start on demand, a recycle under load, one more worker. `python -m bench.pools`; see
docs/performance.md."""
