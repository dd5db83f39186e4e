"""Real services in real containers: built, protected, started by Podman, used by their own clients, attacked."""
