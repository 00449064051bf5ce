"""What tests share beside fixtures: scripted servers, helpers, watches."""
