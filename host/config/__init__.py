"""The configuration store: XML files in, frozen snapshots out. IIS's section and attribute names."""
