"""The storm: queries under faults at random, held against the ledger of the server."""
