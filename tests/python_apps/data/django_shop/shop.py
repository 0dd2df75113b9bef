"""Django in one file: a form, an upload, a file, a stream, links that know where the site is mounted."""

from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt

HERE = Path(__file__).parent

settings.configure(
    SECRET_KEY="a key for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "shop.sqlite3"}},
)


def start(request):
    link = reverse("order")
    return HttpResponse(f"<form action={link} method=post><input name=token value={get_token(request)}></form>")


@csrf_exempt
def order(request):
    upload = request.FILES.get("file")
    size = sum(len(chunk) for chunk in upload.chunks()) if upload else 0
    return HttpResponse(f"{request.method} {request.POST.get('name')} {size} at {request.path}", status=201)


def stream(request):
    return StreamingHttpResponse((f"line {number}\n".encode() for number in range(3)), content_type="text/plain")


def download(request):
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


def version(request):
    return HttpResponse(django.__version__)


def fail(request):
    raise RuntimeError("a view fails")


urlpatterns = [
    path("", start),
    path("order", order, name="order"),
    path("stream", stream),
    path("download", download),
    path("version", version),
    path("fail", fail),
]
application = get_wsgi_application()
