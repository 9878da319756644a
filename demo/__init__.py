"""Everything the gateway stands between, small and real: an identity provider, three services, a frontend.

``python -m demo`` starts it all on one machine, the gateway included. Nothing here imports the gateway, and
the gateway imports nothing from here; the test-suite uses the same parts.
"""
