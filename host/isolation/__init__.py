"""The two switchable process models behind one interface. The switch is read here and nowhere else."""
