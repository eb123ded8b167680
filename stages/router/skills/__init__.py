"""The router's skills, one domain a file: functions of (transaction, what was asked) that act and say what they did."""
