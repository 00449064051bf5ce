"""What ADBC asks of a driver, function by function and rule by rule."""
