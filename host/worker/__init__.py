"""The w3wp role: requests in, pipeline, handlers, responses out. The only place where plugin code runs."""
