"""The page: what a nurse needs, in a browser, and the HTTP API that it stands on.

It opens no store itself: orders and reading go through `edge.specimens`, people through `edge.people`.
"""
