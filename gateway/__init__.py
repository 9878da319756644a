"""The API gateway: settings, engines and hooks. `gateway.app.create_app` puts them together."""
