"""What several test packages share: repositories, configurations, servers that can be killed."""
