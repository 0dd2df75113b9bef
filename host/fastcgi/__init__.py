"""FastCGI as IIS has it: processes that are started on demand, asked one request at a time, watched and replaced."""
