"""One rule of the code is taken out at a time; the tests about it have to fail."""
