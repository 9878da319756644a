"""The command `gateway`, for who runs the gateway. No worker imports it."""
