"""The broker's office: admin and finance."""
