"""Native ISAPI: shared objects that export what a DLL of IIS exported, called with their own structures."""
