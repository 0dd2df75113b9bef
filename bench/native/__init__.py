"""A native ISAPI hello beside the same answer of a Python plugin, in one worker of one isapy."""
