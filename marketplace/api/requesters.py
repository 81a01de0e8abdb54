"""What every endpoint of a requester is built on."""

from __future__ import annotations

from uuid import UUID

from core.http.views import ApiView


class RequesterView(ApiView):
    """An endpoint for members: its roles are viewer, manager or owner."""

    @property
    def requester_id(self) -> UUID:
        """The organization that the caller acts for; the roles above let nobody in without one."""
        organization_id = self.caller.organization_id
        assert organization_id is not None
        return organization_id
