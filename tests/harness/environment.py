"""A good configuration, as environment variables: tests of the settings change it, others only need one."""

SECRET = "0123456789abcdef0123456789abcdef"
GOOD = {
    "KEYCLOAK_ISSUER_URL": "https://keycloak.example.com/realms/ai-video-interview",
    "KEYCLOAK_CLIENT_ID": "ai-video-interview-app",
    "KEYCLOAK_CLIENT_SECRET": "Kfg7-of-keycloak",
    "KEYCLOAK_REDIRECT_URI": "https://api.example.com/auth/callback",
    "JWT_AUDIENCE": "ai-video-interview-app",
    "SESSION_SECRET": SECRET,
    "USER_SERVICE_URL": "http://users:3003",
    "INTERVIEW_SERVICE_URL": "http://interviews:3004",
    "FRONTEND_URL": "https://app.example.com",
}
"""The least that production needs."""
