"""Below /api/v1/."""

from django.urls import path

from marketplace.demand import api, groups_api

urlpatterns = [
    path("requests", api.RequestList.as_view(), name="request-list"),
    path("requests/<int:pk>", api.RequestDetail.as_view(), name="request-detail"),
    path("requests/<int:pk>/withdraw", api.RequestWithdrawal.as_view(), name="request-withdraw"),
    path("budgets", groups_api.BudgetList.as_view(), name="budget-list"),
    path("budgets/<int:pk>", groups_api.BudgetDetail.as_view(), name="budget-detail"),
    path("budgets/<int:pk>/close", groups_api.BudgetClosing.as_view(), name="budget-close"),
    path("choices", groups_api.ChoiceList.as_view(), name="choice-list"),
    path("choices/<int:pk>", groups_api.ChoiceDetail.as_view(), name="choice-detail"),
    path("choices/<int:pk>/close", groups_api.ChoiceClosing.as_view(), name="choice-close"),
    path("owner-caps", groups_api.OwnerCapList.as_view(), name="owner-cap-list"),
    path("owner-caps/<int:organisation>", groups_api.OwnerCapDetail.as_view(), name="owner-cap-detail"),
]
