from django.urls import path

from marketplace.agreements import term_views, views

app_name = "agreements"
urlpatterns = [
    path("agreements/", views.agreements, name="list"),
    path("agreements/<int:pk>/", views.agreement, name="agreement"),
    path("term-agreements/", term_views.terms, name="terms"),
    path("term-agreements/new/", term_views.propose, name="propose_term"),
    path("term-agreements/<int:pk>/", term_views.term, name="term"),
    path("term-agreements/<int:pk>/amend/", term_views.amend, name="amend_term"),
    path("term-agreements/<int:pk>/<int:number>/accept/", term_views.accept, name="accept_term"),
    path("term-agreements/<int:pk>/<int:number>/refuse/", term_views.refuse, name="refuse_term"),
]
