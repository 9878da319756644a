"""The three services behind the gateway, in small. They trust what the gateway says about the caller."""
