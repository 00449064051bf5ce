"""What a cluster has beside its data: deployments, planners, users, sessions."""
