"""The API gateway: settings, engines and hooks, which `gateway.app.create_app` combines."""
