"""The HTTP API: a table of endpoints, of which the routes and the OpenAPI document are made."""
