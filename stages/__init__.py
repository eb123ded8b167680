"""The seven stages: each a function of an event that yields events. None knows another, or the bus."""
