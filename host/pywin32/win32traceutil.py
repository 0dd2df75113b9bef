"""`win32traceutil` is imported for its effect: what a module prints can be seen. Here it can be seen anyway: a worker's
output is the service's."""
