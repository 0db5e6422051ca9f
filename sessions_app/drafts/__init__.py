"""What somebody began to write and has not sent: kept for that person and that form."""
