"""One file a group of calls: thin, each takes a `Call`, asks a room and answers."""
