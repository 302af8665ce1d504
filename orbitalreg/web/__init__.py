"""HTTP: the application, who may call what, and how replies become bytes."""
