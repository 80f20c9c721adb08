"""The language server: NFD in editors."""
