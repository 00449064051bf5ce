"""The engine's side of the protocol: methods, refusals, results as bytes."""
