"""Nothing of allauth's and Django's own is changed in the admin: it would leave no audit event.

People manage their addresses and second factors on their own pages, and ``manage.py appoint`` says who is
an auditor or an operator. Groups mean nothing here.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group

admin.site.unregister([EmailAddress, Authenticator, Group])
