"""Who may use the device's page: people with PINs and roles, their sessions, and the audit trail."""

from edge.people.audit import AuditEntry
from edge.people.people import People, people_file
from edge.people.person import ROLES, Person, Role, may

__all__ = ["ROLES", "AuditEntry", "People", "Person", "Role", "may", "people_file"]
