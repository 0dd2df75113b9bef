"""Compares isapy with nginx, Apache, lighttpd and uWSGI on this machine: `python -m bench`. See docs/performance.md."""
