"""Is traffic realistic? Statistics of hourly traffic beside those of open measurements."""
