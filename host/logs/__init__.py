"""What is written down: one line per request, one per refusal, one per operational event."""
