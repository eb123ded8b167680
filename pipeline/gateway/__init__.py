"""The front door: HTTP, WebSocket and a page, for people and programs. A front-end of the bus like any other.

Keeps nothing that another gateway would miss: what happened is in the stream, the state and the log.
"""
