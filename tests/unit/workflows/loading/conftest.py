"""Configurations out of YAML, over the built-in one or alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai_orchestrator.config.layers import merge_all
from ai_orchestrator.config.yaml_source import origins, parse_yaml, plain
from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.workflows.loading.built_in import built_in_text

MakeConfig = Callable[..., ResolvedConfig]


@pytest.fixture
def make_config() -> MakeConfig:
    """Makes a resolved configuration from YAML texts, the later ones above."""

    def make(*texts: str, built_in: bool = False) -> ResolvedConfig:
        layers = [parse_yaml(built_in_text().encode(), "built-in")] if built_in else []
        layers += [parse_yaml(text.encode(), "f.yaml") for text in texts]
        whole = merge_all(layers)
        document = plain(whole)
        assert isinstance(document, dict)
        return ResolvedConfig(document, dict(origins(whole)))

    return make
