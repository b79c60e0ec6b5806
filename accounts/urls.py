from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("organisation/new/", views.new_organisation, name="new_organisation"),
    path("organisation/switch/", views.switch_organisation, name="switch_organisation"),
    path("team/", views.team, name="team"),
    path("team/invite/", views.invite, name="invite"),
    path("team/invitations/<int:pk>/withdraw/", views.withdraw_invitation, name="withdraw_invitation"),
    path("join/<str:key>/", views.join, name="join"),
    path("team/<int:pk>/role/", views.change_role, name="change_role"),
    path("team/<int:pk>/remove/", views.remove_member, name="remove_member"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/new/", views.new_token, name="new_token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
    path("audit-chain/", views.audit_chain, name="audit_chain"),
]
