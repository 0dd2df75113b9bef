"""What a pool's processes may be, touch and use. Every step is the kernel's own, taken by the pool's parent before its
first fork; nothing here can be taken back, and what cannot be had is refused, never left out."""
