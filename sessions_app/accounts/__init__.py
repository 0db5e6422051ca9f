"""Log-in: limits for wrong passwords, and single sign-on."""
