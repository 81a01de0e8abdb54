"""The planes hold: imports by contract, and what imports cannot see by the model registry."""

from django.apps import apps
from django.db.models import PROTECT, ForeignObject
from importlinter.cli import lint_imports

PLANES = ("core", "payments", "marketplace", "workers")


def plane_of(model):
    """The height of a model's plane; Django's own apps lie below all of ours."""
    label = model._meta.app_label
    return PLANES.index(label) if label in PLANES else -1


def our_models():
    return [model for model in apps.get_models(include_auto_created=True) if plane_of(model) >= 0]


def crossings():
    for model in our_models():
        for field in model._meta.get_fields():
            if isinstance(field, ForeignObject) and field.model is model:
                yield model, field, field.related_model


def test_import_contracts_are_kept(capsys):
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_every_plane_has_rows():
    assert {PLANES[plane_of(model)] for model in our_models()} == set(PLANES)


def test_keys_point_to_the_same_plane_or_a_lower_one():
    upward = [
        f"{field} -> {target._meta.label}"
        for model, field, target in crossings()
        if plane_of(target) > plane_of(model)
    ]
    assert upward == []


def test_keys_that_cross_planes_protect_what_they_point_to():
    """A row of a lower plane that something above stands on is never deleted under it."""
    loose = [
        str(field)
        for model, field, target in crossings()
        if plane_of(target) not in (plane_of(model), -1)
        and field.remote_field.on_delete is not PROTECT
        and not field.remote_field.parent_link
    ]
    assert loose == []


def test_no_reverse_accessor_reaches_up():
    """A lower plane's row must not offer a way to a higher plane's rows."""
    reaching = [
        f"{target._meta.label}.{relation.get_accessor_name()} -> {relation.related_model._meta.label}"
        for target in our_models()
        for relation in target._meta.get_fields(include_hidden=True)
        if relation.auto_created
        and not relation.concrete
        and relation.is_relation
        and plane_of(relation.related_model) > plane_of(target)
        and not relation.hidden
    ]
    assert reaching == []


def test_many_to_many_relations_stay_within_a_plane():
    crossing = [
        str(field)
        for model in our_models()
        for field in model._meta.many_to_many
        if plane_of(field.related_model) not in (plane_of(model), -1)
    ]
    assert crossing == []
