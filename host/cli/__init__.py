"""The isapy command: arguments to commands, replies to text or JSON."""
