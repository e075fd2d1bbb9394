"""What a command works on: the local cloud, or an environment of Google Cloud that Terraform made."""
