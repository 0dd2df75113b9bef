"""Sans-IO rules of the CGI family: request to meta-variables, program output to response."""
