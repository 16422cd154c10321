"""Notifications to subscribers: tested when they subscribe, delivered until they have arrived."""

from __future__ import annotations

from mano.adapters.webhooks.dispatcher import Dispatcher, DispatchPolicy
from mano.adapters.webhooks.postman import WebPostman

__all__ = ["DispatchPolicy", "Dispatcher", "WebPostman"]
