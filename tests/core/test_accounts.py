import threading

import pytest
import structlog
from django.db import connection

from core import audit, errors
from core.ids import new_id
from core.models import ApiToken, Membership, User
from core.services import accounts, tokens

PASSWORD = "a long enough phrase"


def person(email=None, password=None):
    return accounts.create_user(email=email or f"{new_id()}@example.org", password=password)


@pytest.mark.django_db
def test_a_person_is_known_by_an_address_in_any_case():
    made = person("  Ada@Example.ORG ", PASSWORD)
    assert made.email == "ada@example.org"
    assert User.objects.get_by_natural_key("ADA@example.org").check_password(PASSWORD)
    with pytest.raises(accounts.EmailTaken):
        person("ada@EXAMPLE.org")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        ("nobody", PASSWORD, "email"),
        ("a@example.org", "12345", "password"),
        ("", PASSWORD, "email"),
    ],
)
def test_a_bad_address_or_password_is_named(email, password, field):
    with pytest.raises(errors.Invalid) as refused:
        accounts.create_user(email=email, password=password)
    assert list(refused.value.errors) == [field]
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_organization_is_run_by_its_maker_and_keeps_an_owner():
    ada, bob = person(), person("bob@example.org")
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    with pytest.raises(accounts.LastOwner):
        accounts.remove_member(organization_id=acme.pk, user_id=ada.pk, by=ada.pk)
    with pytest.raises(accounts.LastOwner):
        accounts.set_member(organization_id=acme.pk, email=ada.email, role="viewer", by=ada.pk)
    accounts.set_member(organization_id=acme.pk, email="Bob@example.org", role="owner", by=ada.pk)
    accounts.remove_member(organization_id=acme.pk, user_id=ada.pk, by=bob.pk)
    assert [m.user_id for m in Membership.objects.filter(organization=acme)] == [bob.pk]
    assert audit.check("C1").ok


@pytest.mark.django_db
def test_who_let_whom_in_and_out_is_logged():
    ada, bob = person(), person()
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    given = {"organization_id": acme.pk, "by": ada.pk}
    with structlog.testing.capture_logs() as said:
        accounts.set_member(email=bob.email, role="viewer", **given)
        accounts.change_role(user_id=bob.pk, role="manager", **given)
        accounts.remove_member(user_id=bob.pk, **given)
    who = {"organization": str(acme.pk), "user": str(bob.pk), "by": str(ada.pk)}
    assert [{**who, **line} == line for line in said] == [True] * 3
    assert [(line["event"], line["role"]) for line in said] == [
        ("member_set", "viewer"), ("member_set", "manager"), ("member_removed", "manager"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_only_a_member_gets_another_role():
    ada, bob = person(), person()
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    with pytest.raises(errors.NotFound):
        accounts.change_role(organization_id=acme.pk, user_id=bob.pk, role="owner", by=ada.pk)
    with pytest.raises(errors.Invalid):
        accounts.change_role(organization_id=acme.pk, user_id=ada.pk, role="king", by=ada.pk)
    assert Membership.objects.count() == 1


@pytest.mark.django_db
def test_the_audit_sees_an_organization_without_an_owner():
    acme = accounts.create_organization(name="Acme", by=person().pk)
    Membership.objects.filter(organization=acme).update(role="viewer")
    found = audit.check("C1")
    assert (found.ok, found.rows, found.sample[0]["name"]) == (False, 1, "Acme")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_do_not_both_get_away():
    ada, bob = person(), person()
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    accounts.set_member(organization_id=acme.pk, email=bob.email, role="owner", by=ada.pk)
    start, refused = threading.Barrier(2), []

    def leave(user):
        try:
            start.wait(10)
            accounts.remove_member(organization_id=acme.pk, user_id=user.pk, by=user.pk)
        except accounts.LastOwner:
            refused.append(user.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(user,)) for user in (ada, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(refused) == 1
    assert [m.user_id for m in Membership.objects.filter(organization=acme)] == refused


@pytest.mark.django_db
def test_a_token_is_kept_as_a_hash_and_shown_once():
    ada = person()
    issued = tokens.issue(user_id=ada.pk, organization_id=None, name="laptop")
    row = ApiToken.objects.get()
    assert bytes(row.digest) == tokens.digest(issued.text)
    assert row.scopes == list(tokens.PERSON)
    assert issued.text not in str(vars(row).values())
    first = tokens.revoke(token_id=row.pk, user_id=ada.pk).revoked_at
    assert tokens.revoke(token_id=row.pk, user_id=ada.pk).revoked_at == first
    with pytest.raises(errors.NotFound):
        tokens.revoke(token_id=row.pk, user_id=person().pk)


@pytest.mark.django_db
def test_a_token_has_no_more_rights_than_its_kind():
    ada = person()
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    for organization, scopes in (
        (None, ["jobs:write"]),
        (acme.pk, ["work"]),
        (None, []),
        (None, ["x"]),
    ):
        with pytest.raises(errors.Invalid) as refused:
            tokens.issue(user_id=ada.pk, organization_id=organization, name="t", scopes=scopes)
        assert "scopes" in refused.value.errors
    with pytest.raises(errors.NotFound):
        tokens.issue(user_id=person().pk, organization_id=acme.pk, name="t")
