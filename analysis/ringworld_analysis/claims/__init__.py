"""Published claims: read from manifests, computed by a function each, judged by fixed rules, and shown with their errors."""
