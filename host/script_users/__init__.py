"""CGI scripts that run as their files' owners, or as a user whom the configuration names (`cgi/@runAs`)."""
