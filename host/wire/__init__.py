"""Sans-IO frames between our own processes: what is said, how it becomes bytes, in which order it is legal.

Two dialogues. The *request dialogue* runs on one multiplexed stream per worker: frames of a fixed header and a packed
body, made for speed. The *control dialogue* runs between the service and each of its children: one message a packet,
msgpack, fields checked on arrival. Nothing is ever unpickled. Transports are the caller's business.
"""
