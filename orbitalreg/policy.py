"""What policies say of a file. Pure: the file, reports on it, policies and an instant go in, a verdict comes out."""
