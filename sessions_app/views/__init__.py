"""The dashboard's pages. Permissions are checked for rendering controls and again for each action."""
