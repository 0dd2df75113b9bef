"""Sans-IO HTTP/1.1 for the listener: httptools reads the syntax, ours is what it does not decide."""
