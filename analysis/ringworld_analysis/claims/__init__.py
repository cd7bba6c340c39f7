"""Published claims: read from manifests, computed, judged by fixed rules, and shown with errors."""
