"""Files that tasks refer to."""

from __future__ import annotations

from uuid import UUID

from core.http.views import Access, ApiView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from marketplace.api import rendering, shapes
from marketplace.models import Media
from marketplace.services import media


class MediaList(ApiView):
    """The requester's files."""

    access = {
        "GET": Access(scope="jobs:read", role="viewer"),
        "POST": Access(scope="jobs:write", role="manager", idempotency="natural"),
    }
    responses = {
        "GET": {200: shapes.MediaShape(many=True)},
        "POST": {201: shapes.MediaShape},
    }
    parser_classes = (MultiPartParser,)

    def get(self, request: Request) -> Response:
        """Newest first."""
        found = Media.objects.filter(organization_id=self.caller.organization_id)
        return self.page(found, rendering.media, order="-id")

    def post(self, request: Request) -> Response:
        """Take in one `file`: the answer says what it is and, of sound, how long it plays."""
        organization_id = self.caller.organization_id
        if organization_id is None:
            raise errors.Forbidden("Only a requester has files.")
        file = request.FILES.get("file")
        if file is None or len(request.FILES) + len(request.data) != 1 + len(request.FILES):
            raise errors.Invalid("One file is needed.", errors={"file": ["Send one file."]})
        made = media.upload(
            organization_id=organization_id, chunks=file.chunks(), by=self.caller.user_id
        )
        return Response(rendering.media(made), status=201)


class MediaDetail(ApiView):
    """One file."""

    access = {"GET": Access(scope="jobs:read", role="viewer")}
    responses = {"GET": {200: shapes.MediaShape}}

    def get(self, request: Request, media: UUID) -> Response:
        """What the file is."""
        found = Media.objects.filter(
            pk=media, organization_id=self.caller.organization_id
        ).first()
        if found is None:
            raise errors.NotFound("There is no such file.")
        return Response(rendering.media(found))
