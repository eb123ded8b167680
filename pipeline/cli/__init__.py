"""The command line `parley`. One file a group of commands; app.py puts them together."""
