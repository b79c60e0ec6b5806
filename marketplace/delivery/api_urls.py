"""Below /api/v1/."""

from django.urls import path

from marketplace.delivery import agent_api, api

urlpatterns = [
    path("clock", api.Clock.as_view(), name="clock"),
    path("deliveries", api.DeliveryList.as_view(), name="delivery-list"),
    path("deliveries/<int:pk>", api.DeliveryDetail.as_view(), name="delivery-detail"),
    path("agent/deliveries", agent_api.AgentDeliveries.as_view(), name="agent-delivery-list"),
    path("agent/changes", agent_api.AgentChanges.as_view(), name="agent-changes"),
    path("agent/deliveries/<int:pk>", agent_api.AgentDelivery.as_view(), name="agent-delivery-detail"),
    path("agent/deliveries/<int:pk>/transitions", agent_api.AgentStep.as_view(), name="agent-step"),
    path("agent/deliveries/<int:pk>/access", agent_api.AgentAccess.as_view(), name="agent-access"),
    path("agent/probes", agent_api.AgentProbes.as_view(), name="agent-probe-list"),
    path("agent/round-trips", agent_api.AgentRoundTrips.as_view(), name="agent-round-trip-list"),
    path("agent/transitions", agent_api.AgentSteps.as_view(), name="agent-step-list"),
]
