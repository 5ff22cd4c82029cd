"""The commands of a repository, in the sandbox: verifiers, setup, script steps."""
