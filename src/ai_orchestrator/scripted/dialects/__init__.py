"""The four wire formats: each reads its requests and writes its replies, none decides."""
