"""What the figures are compared with, one file a peer."""
