"""The terminal's forms: what a manager types, checked, as the book's commands."""

from apps.portals.manager.forms.blocks import (
    AmendForm,
    CancelForm,
    CloseByForm,
    CloseForm,
    EverythingForm,
    ReverseForm,
)
from apps.portals.manager.forms.fields import CodedForm
from apps.portals.manager.forms.terms import RuleForm, StatusForm, TermsForm, initial_of
from apps.portals.manager.forms.ticket import TicketForm

__all__ = [
    "AmendForm",
    "CancelForm",
    "CloseByForm",
    "CloseForm",
    "CodedForm",
    "EverythingForm",
    "ReverseForm",
    "RuleForm",
    "StatusForm",
    "TermsForm",
    "TicketForm",
    "initial_of",
]
