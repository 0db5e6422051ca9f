"""Which functions of ours one piece of work passes, and how often it comes back into a file that it had left."""
