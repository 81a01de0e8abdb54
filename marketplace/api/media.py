"""Files that tasks refer to."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.errors import TooLarge
from core.http.serializers import StrictSerializer, StrictString
from core.http.views import Access, ApiView
from marketplace.api import rendering, shapes
from marketplace.api.requesters import RequesterView
from marketplace.models import Media
from marketplace.services import media as media_files

#: What the wrapping of a file in a form may add to its size.
_WRAPPING = 64 * 1024


class FileQuery(StrictSerializer):
    """What makes the link one of ours."""

    signature = StrictString(max_length=200)


class MediaList(RequesterView):
    """The requester's files."""

    access = {
        "GET": Access(scope="jobs:read", role="viewer"),
        "POST": Access(scope="jobs:write", role="manager", idempotency="natural"),
    }
    responses = {
        "GET": {200: shapes.MediaShape(many=True)},
        "POST": {201: shapes.MediaShape},
    }
    uploads = {"POST": ("multipart/form-data",)}
    parser_classes = (MultiPartParser,)

    def get(self, request: Request) -> Response:
        """Newest first."""
        found = Media.objects.filter(organization_id=self.requester_id)
        return self.page(found, rendering.media, order="-id")

    def post(self, request: Request) -> Response:
        """Take in one `file`: the answer says what it is and, of sound, how long it plays."""
        self._require_size(request)
        file = request.FILES.get("file")
        if file is None or len(request.FILES) + len(request.data) != 1 + len(request.FILES):
            raise errors.Invalid("One file is needed.", errors={"file": ["Send one file."]})
        made = media_files.upload(
            organization_id=self.requester_id, chunks=file.chunks(), by=self.caller.user_id
        )
        return Response(rendering.media(made), status=201)

    @staticmethod
    def _require_size(request: Request) -> None:
        """Before anything of the body is read: a form is spooled to disk as a whole."""
        given = request.META.get("CONTENT_LENGTH") or "0"
        if not given.isdigit() or int(given) > media_files.SIZE_CAP + _WRAPPING:
            raise TooLarge(f"A file has at most {media_files.SIZE_CAP // 1024 // 1024} MiB.")


class MediaDetail(RequesterView):
    """One file."""

    access = {"GET": Access(scope="jobs:read", role="viewer")}
    responses = {"GET": {200: shapes.MediaLinkShape}}

    def get(self, request: Request, media: UUID) -> Response:
        """What the file is."""
        found = Media.objects.filter(pk=media, organization_id=self.requester_id).first()
        if found is None:
            raise errors.NotFound("There is no such file.")
        shown = rendering.media(found)
        place = reverse("media-file", kwargs={"media": found.pk})
        signature = media_files.link_signature(found.pk)
        shown["url"] = f"{settings.PUBLIC_URL}{place}?signature={signature}"
        return Response(shown)


class MediaFile(ApiView):
    """The bytes of a file, for who holds a signed link to it."""

    access = {"GET": Access(scope=None, role="public")}
    queries = {"GET": FileQuery}
    responses = {"GET": {(200, "application/octet-stream"): OpenApiTypes.BINARY}}

    def get(self, request: Request, media: UUID) -> FileResponse:
        """Stream the file under the type that it was found to be."""
        query = self.query(FileQuery)
        found = media_files.opened(media_id=media, signature=query["signature"])
        answer = FileResponse(media_files.read(found), content_type=found.content_type)
        answer["Content-Length"] = str(found.bytes)
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Cache-Control"] = f"private, max-age={media_files.LINK_SECONDS}, immutable"
        return answer
