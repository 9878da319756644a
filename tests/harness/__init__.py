"""What the tests run against: real processes and real sockets on the loopback."""
