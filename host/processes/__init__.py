"""One file per process you see in ps: the composition roots. They build and join, they decide nothing."""
