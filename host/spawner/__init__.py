"""Starts CGI programs from a small process, and ends whole process trees."""
