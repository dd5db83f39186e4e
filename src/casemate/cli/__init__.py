"""The command line. One file a command; `main` only assembles."""
