"""The router: turns what a person wants into what is done, and into what chat is asked to say."""
