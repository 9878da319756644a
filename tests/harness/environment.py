"""A good configuration, as environment variables: tests of the settings change it, others only need one."""

from gateway.services import SERVICES

SECRET = "0123456789abcdef0123456789abcdef"
GOOD = {
    "KEYCLOAK_ISSUER_URL": "https://keycloak.example.com/realms/ai-video-interview",
    "KEYCLOAK_CLIENT_ID": "ai-video-interview-app",
    "KEYCLOAK_CLIENT_SECRET": "Kfg7-of-keycloak",
    "KEYCLOAK_REDIRECT_URI": "https://api.example.com/auth/callback",
    "JWT_AUDIENCE": "ai-video-interview-app",
    "SESSION_SECRET": SECRET,
    **{spec.setting: f"http://{spec.name}:3003" for spec in SERVICES if spec.required},
    "FRONTEND_URL": "https://app.example.com",
}
"""The least that production needs."""
