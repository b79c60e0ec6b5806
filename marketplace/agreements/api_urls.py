from django.urls import path

from marketplace.agreements import api, term_api

urlpatterns = [
    path("agreements", api.AgreementList.as_view(), name="agreement-list"),
    path("agreements/<int:pk>", api.AgreementDetail.as_view(), name="agreement-detail"),
    path("term-agreements", term_api.TermList.as_view(), name="term-list"),
    path("term-agreements/<int:pk>", term_api.TermDetail.as_view(), name="term-detail"),
    path("term-agreements/<int:pk>/amendments", term_api.TermAmendments.as_view(), name="term-amendments"),
    path(
        "term-agreements/<int:pk>/versions/<int:number>/acceptance",
        term_api.TermAcceptance.as_view(),
        name="term-acceptance",
    ),
    path(
        "term-agreements/<int:pk>/versions/<int:number>/refusal",
        term_api.TermRefusal.as_view(),
        name="term-refusal",
    ),
]
