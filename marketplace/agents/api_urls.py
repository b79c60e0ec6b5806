"""Below /api/v1/."""

from django.urls import path

from marketplace.agents import api

urlpatterns = [
    path("agent/enrolment", api.Enrolment.as_view(), name="agent-enrolment"),
    path("agent/self", api.AgentSelf.as_view(), name="agent-self"),
    path("agent/heartbeat", api.AgentHeartbeat.as_view(), name="agent-heartbeat"),
    path("agent/idle-cards", api.AgentIdleCards.as_view(), name="agent-idle-cards"),
    path("agent/key", api.AgentKey.as_view(), name="agent-key"),
]
