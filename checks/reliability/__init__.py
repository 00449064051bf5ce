"""The goals of reliability, measured: `python -m checks.reliability`."""
