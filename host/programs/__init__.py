"""What an extension needs to run a program for a request: three pipes on the event loop, and Python's cgi module."""
