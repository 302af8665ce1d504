"""What is done for the bytes of all blobs together: collection of what is unused, verification, backup and restore."""
