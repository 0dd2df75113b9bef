"""The HTTP.sys role: accepts, parses, validates, routes, queues, relays, logs. No plugin code."""
