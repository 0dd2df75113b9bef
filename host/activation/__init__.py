"""The WAS role: which processes should run, and why one is started, recycled or ended."""
