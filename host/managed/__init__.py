"""The runtime of managed code: applications, their pooled objects, modules, handlers. Imported with the first use."""
