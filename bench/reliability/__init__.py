"""How many requests a recycle costs: the load of the chaos suite against isapy, gunicorn, uWSGI and Apache.

`python -m bench.reliability`; see docs/reliability.md.
"""
