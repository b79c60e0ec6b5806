"""The only settings file; the environment decides. ``docker/.env.example`` lists the variables."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from celery.schedules import schedule
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env

from marketplace.queues import Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ImproperlyConfigured(f"{text!r} needs a UTC offset, for example 2026-01-31T08:00:00+00:00")
    return moment.astimezone(UTC)


# --- Where and how it runs -------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
DEMO = env.bool("CARDHOUR_DEMO", False)
SECRET_KEY = env.str("SECRET_KEY")
BASE_URL = env.str("CARDHOUR_BASE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
SECURE = BASE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [BASE_URL]
STYLEGUIDE = DEBUG or DEMO

# --- Market time: see marketplace.clock ----------------------------------------------------------

CLOCK_SPEED = env.int("CARDHOUR_CLOCK_SPEED", 1)
CLOCK_WALL_ANCHOR = _moment(env.str("CARDHOUR_CLOCK_WALL_ANCHOR", "2026-01-01T00:00:00+00:00"))
CLOCK_MARKET_ANCHOR = _moment(env.str("CARDHOUR_CLOCK_MARKET_ANCHOR", "2026-01-01T00:00:00+00:00"))
if CLOCK_SPEED < 1 or (CLOCK_SPEED != 1 and not (DEMO or DEBUG)):
    raise ImproperlyConfigured("CARDHOUR_CLOCK_SPEED must be 1, or more in the demo")

# --- Market rules --------------------------------------------------------------------------------

MARKET_HORIZON_SLOTS = env.int("MARKET_HORIZON_SLOTS", 168)
MARKET_BASE_CURRENCY = env.str("MARKET_BASE_CURRENCY", "CNY")
MARKET_RUN_EVERY = timedelta(minutes=env.int("MARKET_RUN_EVERY_MINUTES", 5))
MARKET_RUN_ATTEMPTS = 5
# What one organisation may have open at once.
MOST_OPEN_REQUESTS = env.int("MOST_OPEN_REQUESTS", 5_000)
MOST_OPEN_OFFERS = env.int("MOST_OPEN_OFFERS", 5_000)
MOST_OPEN_INVITATIONS = env.int("MOST_OPEN_INVITATIONS", 100)
COMMISSION_RATE = Decimal(env.str("COMMISSION_RATE", "0.03"))
# How long after a slot its readings may arrive before it is rated, and how long after a billing
# period before it is closed.
RATING_GRACE = timedelta(minutes=env.int("RATING_GRACE_MINUTES", 15))
# For how many days a buyer may dispute a charge: goes into the terms of new agreements.
DISPUTE_DAYS = env.int("DISPUTE_DAYS", 30)
# What sites promise, in the terms of new agreements: below an availability, a share of the charges is
# credited; for an outage that lasted longer, one more; at most the cap. All shares are decimal strings.
SERVICE_LEVEL = {
    "availability": "0.99",
    "tiers": [["0.99", "0.1"], ["0.95", "0.25"], ["0.9", "0.5"]],
    "cap": "0.5",
    "recovery_minutes": 60,
    "recovery_share": "0.05",
}
# A period is a calendar month, or a number of hours counted from the epoch (the demo uses hours).
BILLING_PERIOD = env.str("BILLING_PERIOD", "month")
# A month of a term agreement, in its time zone, or a number of hours as above.
TERM_CALENDAR = env.str("TERM_CALENDAR", "month")
BILLING_GRACE = timedelta(minutes=env.int("BILLING_GRACE_MINUTES", 60))
# Who issues invoices and statements. Something new here is a new issuer row; documents keep theirs.
INVOICE_ISSUER = {
    "code": env.str("INVOICE_ISSUER_CODE", ""),
    "name_en": env.str("INVOICE_ISSUER_NAME_EN", "Cardhour"),
    "name_zh": env.str("INVOICE_ISSUER_NAME_ZH", "卡时"),
    "address_en": env.str("INVOICE_ISSUER_ADDRESS_EN", ""),
    "address_zh": env.str("INVOICE_ISSUER_ADDRESS_ZH", ""),
    "tax_number": env.str("INVOICE_ISSUER_TAX_NUMBER", ""),
    "jurisdiction": env.str("INVOICE_ISSUER_JURISDICTION", "CN"),
    "time_zone": env.str("INVOICE_ISSUER_TIME_ZONE", "Asia/Shanghai"),
}
# How long the agent of a site may be silent before the site's offers enter no more runs; wall time.
AGENT_SILENT_AFTER = timedelta(minutes=env.int("AGENT_SILENT_AFTER_MINUTES", 15))
# How many agents may wait for changes in one process of the web server, which has a few threads.
AGENT_SEATS = env.int("AGENT_SEATS", 2)
METER_SKEW_ALLOWED = timedelta(minutes=env.int("METER_SKEW_ALLOWED_MINUTES", 5))

# --- Delivery: how long each state may last before the exchange acts ----------------------------------

# A site that has not begun by then has not noticed, and the buyer's window runs: it is replaced.
DELIVERY_START_WITHIN = timedelta(minutes=env.int("DELIVERY_START_WITHIN_MINUTES", 60))
# One attempt at provisioning or testing: a node reboots in ten minutes. Afterwards it begins again.
DELIVERY_ATTEMPT_WITHIN = timedelta(minutes=env.int("DELIVERY_ATTEMPT_WITHIN_MINUTES", 20))
# With the first, three attempts fill the time to start.
DELIVERY_RETRIES = env.int("DELIVERY_RETRIES", 2)
# Longer than a repair by somebody on duty takes, and the buyer is better off elsewhere.
DELIVERY_SUSPENDED_AT_MOST = timedelta(minutes=env.int("DELIVERY_SUSPENDED_AT_MOST_MINUTES", 240))
# For an agent to report the last hour and the end by itself.
DELIVERY_END_WITHIN = timedelta(minutes=env.int("DELIVERY_END_WITHIN_MINUTES", 60))
# What a test must show of the data sheet. A system keeps some of the memory to itself; a short probe reaches
# two thirds of a healthy card's peak, and a throttled or shared card less than a half.
ACCEPTANCE_LEAST_MEMORY = env.decimal("ACCEPTANCE_LEAST_MEMORY", Decimal("0.95"))
ACCEPTANCE_LEAST_COMPUTE = env.decimal("ACCEPTANCE_LEAST_COMPUTE", Decimal("0.5"))
ACCEPTANCE_LEAST_BANDWIDTH = env.decimal("ACCEPTANCE_LEAST_BANDWIDTH", Decimal("0.5"))
# The exchange's probes, to which agents measure round trips: region=host:port,…
NETWORK_PROBES: dict[str, str] = env.dict("NETWORK_PROBES", {})
# Agents measure every hour; a route that nobody has measured for a day may be another one.
ROUND_TRIP_FRESH = timedelta(hours=env.int("ROUND_TRIP_FRESH_HOURS", 24))
# Encrypts the private keys of organisations, to which sites encrypt access details: Fernet keys, the newest
# first. Without any it follows from SECRET_KEY.
ACCESS_KEYS: list[str] = env.list("ACCESS_KEYS", [])
# What a replacement may cost at most, in prices of the agreement that was not kept: the owner pays what is
# above one, so this bounds what a failure can cost it.
REPLACEMENT_PRICE_AT_MOST = env.decimal("REPLACEMENT_PRICE_AT_MOST", Decimal("1.5"))

# --- Payments: see docs/stripe.md ------------------------------------------------------------------

# Without a key there are bank transfers only.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
# One for each endpoint at Stripe, and an old one beside its successor while it is being replaced.
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", [])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com")
# Off for localstripe, which knows no address to come back to.
STRIPE_REDIRECTS = env.bool("STRIPE_REDIRECTS", True)

# --- Applications ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
    "template_partials.apps.SimpleAppConfig",
    "accounts.apps.AccountsConfig",
    "marketplace.notifications",
    "marketplace.jobs",
    "marketplace.catalogue",
    "marketplace.terms",
    "marketplace.supply",
    "marketplace.energy",
    "marketplace.demand",
    "marketplace.clearing",
    "marketplace.agreements",
    "marketplace.agents",
    "marketplace.delivery",
    "billing.metering",
    "billing.rating",
    "billing.ledger",
    "billing.invoicing",
    "billing.payments",
    "marketplace.audit",
    "marketplace.audit.carbon",
    "marketplace.audit.utilisation",
    "marketplace.audit.evidence",
    "marketplace.audit.compliance",
    "marketplace.audit.access",
    "marketplace.audit.findings",
    "marketplace.web",
]
if DEMO or DEBUG:
    INSTALLED_APPS.append("demo")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.OrganisationMiddleware",
    "marketplace.web.middleware.ReaderZoneMiddleware",
    "marketplace.web.middleware.ExpiredLoginMiddleware",
    "marketplace.web.middleware.DomainErrorMiddleware",
    "marketplace.audit.access.looks.LooksMiddleware",
]

ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # Written out, for the automatic set-ups of cotton and of template_partials undo each other.
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django_cotton.cotton_loader.Loader",
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "marketplace.web.context.page",
            ],
        },
    }
]

# Components see their attributes and the context processors, not the page's other variables.
COTTON_ISOLATE_BY_DEFAULT = True

# --- Database and broker --------------------------------------------------------------------------

DATABASES: dict[str, Any] = {"default": env.dj_db_url("DATABASE_URL", conn_max_age=0)}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL server; Cardhour runs on no other")
DATABASES["default"]["OPTIONS"] = {
    "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 8), "timeout": 10},
    "options": "-c synchronous_commit=on -c lock_timeout=20s -c timezone=UTC",
}

REDIS_URL = env.str("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# --- Celery ---------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A task that outlives the visibility timeout is delivered twice, so the time limit stays below it.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_TIME_LIMIT = 1800
CELERY_TASK_SOFT_TIME_LIMIT = 1740
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = Queue.DEFAULT
CELERY_TASK_ROUTES = {
    "market.*": {"queue": Queue.MARKET},
    "delivery.*": {"queue": Queue.DELIVERY},
    "billing.*": {"queue": Queue.BILLING},
    "audit.*": {"queue": Queue.AUDIT},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"


def _every(market_time: timedelta, *, at_least: float) -> schedule:
    """A beat interval given in market time, never shorter than ``at_least`` wall seconds."""
    return schedule(max(at_least, market_time.total_seconds() / CLOCK_SPEED))


def _periodic(task: str, interval: schedule) -> dict[str, Any]:
    # A tick that waited longer than its interval is dropped: the next one does the same work.
    return {"task": task, "schedule": interval, "options": {"expires": interval.seconds}}


CELERY_BEAT_SCHEDULE = {
    "run the market": _periodic("market.run", _every(MARKET_RUN_EVERY, at_least=10)),
    "prepare quotes": _periodic("market.prepare_quotes", _every(MARKET_RUN_EVERY, at_least=10)),
    "expire requests": _periodic("market.expire_requests", _every(timedelta(minutes=5), at_least=10)),
    "schedule deliveries": _periodic("delivery.schedule", _every(timedelta(minutes=5), at_least=5)),
    "miss silent agents": _periodic("delivery.miss_agents", schedule(60)),
    "fail overdue deliveries": _periodic("delivery.fail_overdue", _every(timedelta(minutes=5), at_least=10)),
    "rate ended slots": _periodic("billing.rate", _every(timedelta(minutes=5), at_least=5)),
    "add up utilisation": _periodic("audit.roll_up", _every(timedelta(minutes=5), at_least=10)),
    "close billing periods": _periodic("billing.close_periods", _every(timedelta(minutes=15), at_least=5)),
    "settle payments": _periodic("billing.sweep_payments", schedule(60)),
    "remind of overdue invoices": _periodic("billing.dun", _every(timedelta(hours=1), at_least=30)),
    "check the ledger": _periodic("billing.check_ledger", _every(timedelta(days=1), at_least=60)),
    "make partitions of readings": _periodic(
        "billing.make_reading_partitions", _every(timedelta(days=1), at_least=60)
    ),
    "look for findings": _periodic("audit.detect", _every(timedelta(days=1), at_least=300)),
    "mail notifications": _periodic("notifications.mail_at_once", schedule(60)),
    "mail the news of the day": _periodic(
        "notifications.mail_digests", _every(timedelta(hours=1), at_least=60)
    ),
    "forget stored answers": _periodic("accounts.forget_answers", schedule(86_400)),
    "forget personal data": _periodic("audit.retain", schedule(86_400)),
    "seal the audit chain": _periodic("audit.seal", schedule(5)),
}

# --- People ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional" if DEMO else "mandatory"
ACCOUNT_LOGOUT_ON_GET = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO or DEBUG
MFA_TOTP_ISSUER = "Cardhour"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Cardhour <noreply@localhost>")
MAIL = env.dj_email_url("EMAIL_URL", "console://")
if "EMAIL_BACKEND" not in MAIL:  # the parser passes over a scheme that it does not know
    raise ImproperlyConfigured("EMAIL_URL begins with smtp://, submission:// or console://.")
vars().update(MAIL)

# --- Languages, time and numbers -------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# --- Static files ---------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "marketplace" / "static"]
WHITENOISE_USE_FINDERS = DEMO or DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEMO or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Security -------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
BEHIND_PROXY = env.bool("BEHIND_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Sign-in is throttled by the visitor's address; without this everybody has the proxy's, and one attacker
# would lock out all. The proxy appends the address that it saw, so the last one is true.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

# --- API ------------------------------------------------------------------------------------------

# For each token and each person.
API_WRITES_A_MINUTE = env.int("API_WRITES_A_MINUTE", 1_200)
REST_FRAMEWORK = {
    "DEFAULT_THROTTLE_CLASSES": ["marketplace.api.throttling.WriteThrottle"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "marketplace.agents.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.api.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "marketplace.api.pagination.Cursor",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "marketplace.api.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cardhour API",
    "DESCRIPTION": (
        "An open exchange for surplus AI compute.\n\n"
        "**Authentication**: `Authorization: Bearer chk_…`, a token of your organisation, "
        "made under *API tokens*. Market runs, prices and the catalogue are public.\n\n"
        "**Creating something** needs an `Idempotency-Key`: repeat a request with the same key as often "
        "as you like, it happens once.\n\n"
        "**Errors** are problem documents (RFC 9457). Compare `code`, which is stable; quote `request_id` "
        "when you ask for help.\n\n"
        "**Lists** come in pages of 50, or `limit` up to 500, newest first; follow `next`.\n\n"
        "**Writing** too often is answered with 429, and changing an order while a run has closed the book "
        "with 409 `book_closed`; `Retry-After` says when to try again.\n\n"
        "**Figures**: money and quantities are decimal strings, times are UTC, slots are UTC hours."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AgreedUnitEnum": "marketplace.terms.models.TermAgreement.Unit",
        "AgreementKindEnum": "marketplace.agreements.models.Agreement.Kind",
        "AmountUnitEnum": "marketplace.demand.models.Alternative.AmountUnit",
        "ConstraintEnum": "marketplace.clearing.models.Explanation.Binding",
        "CurrencyEnum": "marketplace.catalogue.models.CurrencyCode",
        "DeliveryStateEnum": "marketplace.delivery.models.DeliveryState",
        "DisputeStateEnum": "billing.rating.models.Dispute.State",
        "DocumentKindEnum": "billing.invoicing.models.Document.Kind",
        "FindingStateEnum": "marketplace.audit.findings.models.State",
        "InvoiceStateEnum": "billing.invoicing.receivables.InvoiceState",
        "PeriodStateEnum": "billing.invoicing.spans.PeriodState",
        "SideEnum": "marketplace.terms.models.TermVersion.Side",
    },
}

# --- Logs: one JSON object a line, with the request's or the task's id --------------------------------

DJANGO_STRUCTLOG_CELERY_ENABLED = True
_SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED_PROCESSORS,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
}
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED_PROCESSORS,
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
