"""The state: what must still be true after a crash. A port, its SQLite implementation, and one repository a domain."""
