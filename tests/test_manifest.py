"""What napari is told about this plugin is true."""

import importlib

import pytest

npe2 = pytest.importorskip("npe2")


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_distribution("napari-transmedseg")


def test_manifest_is_valid_and_complete(manifest):
    manifest.validate_imports()
    assert manifest.display_name
    assert manifest.contributions.readers
    assert manifest.contributions.writers
    assert manifest.contributions.widgets
    assert manifest.contributions.sample_data


def test_every_command_has_a_title_and_a_target(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert command.title.strip() == command.title != ""
        assert callable(getattr(importlib.import_module(module), name))


def test_readers_claim_only_image_names(manifest):
    for reader in manifest.contributions.readers:
        assert "*.gz" not in reader.filename_patterns
        assert "*" not in reader.filename_patterns
