"""Nobody becomes more than they are in the admin, nor somebody else."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from core.ids import new_id
from core.services import accounts

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough phrase"
OTHER = "another long phrase"


def person(*, permissions=(), **facts):
    made = accounts.create_user(email=f"{new_id()}@example.org", password=PASSWORD)
    for name, value in facts.items():
        setattr(made, name, value)
    made.save()
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made


def browser(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk():
    """Staff who may change people and groups, and is no superuser."""
    return person(
        is_staff=True,
        permissions=("view_user", "change_user", "add_user",
                     "view_group", "change_group", "add_group", "delete_group"),
    )  # fmt: skip


@pytest.fixture
def root():
    return person(is_staff=True, is_superuser=True)


def place(user, *rest):
    return "/".join([f"/admin/core/user/{user.pk}", *(rest or ("change",)), ""])


def form(user, **changes):
    return {"email": user.email, "name": user.name, **changes}


def set_password(client, user):
    return client.post(
        place(user, "password"), {"password1": OTHER, "password2": OTHER, "usable_password": "true"}
    )


def test_a_clerk_helps_people_in(clerk):
    ada = person()
    assert browser(clerk).post(place(ada), form(ada, name="Ada L")).status_code == 302
    assert set_password(browser(clerk), ada).status_code == 302
    ada.refresh_from_db()
    assert (ada.name, ada.check_password(OTHER)) == ("Ada L", True)


@pytest.mark.parametrize("rights", [{"is_staff": True}, {"is_superuser": True}])
def test_a_clerk_cannot_take_over_who_decides(clerk, rights):
    peer = person(**rights)
    mine = f"{new_id()}@example.org"
    assert browser(clerk).post(place(peer), form(peer, email=mine)).status_code == 403
    assert set_password(browser(clerk), peer).status_code == 403
    kept = type(peer).objects.get(pk=peer.pk)
    assert (kept.email, kept.check_password(PASSWORD)) == (peer.email, True)


def test_a_clerk_changes_their_own_name_and_no_right_of_theirs(clerk):
    group = Group.objects.create(name="payouts")
    answer = browser(clerk).post(
        place(clerk), form(clerk, name="Clerk", is_superuser="on", groups=[group.pk])
    )
    assert answer.status_code == 302
    clerk.refresh_from_db()
    assert (clerk.name, clerk.is_superuser, clerk.groups.count()) == ("Clerk", False, 0)


def test_a_superuser_changes_staff(clerk, root):
    assert browser(root).post(
        place(clerk), form(clerk, name="New", is_active="on")
    ).status_code == (302)
    assert set_password(browser(root), clerk).status_code == 302
    clerk.refresh_from_db()
    assert (clerk.name, clerk.is_staff, clerk.check_password(OTHER)) == ("New", False, True)


def test_only_a_superuser_says_what_a_group_may_do(clerk, root):
    group = Group.objects.create(name="payouts")
    clerk.groups.add(group)
    more = {"name": "payouts", "permissions": [Permission.objects.first().pk]}
    changed = f"/admin/auth/group/{group.pk}/change/"
    for path, body in ((changed, more), ("/admin/auth/group/add/", {**more, "name": "new"}),
                       (f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})):  # fmt: skip
        assert browser(clerk).post(path, body).status_code == 403, path
    assert (Group.objects.get(), group.permissions.count()) == (group, 0)
    assert browser(root).post(changed, more).status_code == 302
    assert group.permissions.count() == 1
