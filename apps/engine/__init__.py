"""Engine: owns books by lease; journal, acknowledge, apply, send, project, publish.

May import allocation, servers, accounts, core, tenants.
"""
