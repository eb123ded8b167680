"""Engines behind one port: clients and processes of language models, who answers for which role, and their limits."""
