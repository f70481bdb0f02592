"""Settings of Hypothesis under names: how much a run tries. To import this module is to register them.

* `estate_funds-quick`: few examples, while you write;
* `estate_funds-ci`: the same examples each time, nothing remembered from run to run, no deadline;
* `estate_funds-night`: very many examples, and long histories.

The pytest plugin of this package registers them where one is asked for: `pytest --hypothesis-profile estate_funds-ci`.
Elsewhere, import this module and load one.

>>> from hypothesis import settings
>>> from estate_funds.testing import profiles
>>> settings.get_profile("estate_funds-ci").derandomize
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, settings

PREFIX = "estate_funds-"
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "quick": {"max_examples": 20, "deadline": None},
    "ci": {"max_examples": 100, "deadline": None, "derandomize": True, "database": None, "print_blob": True},
    "night": {
        "max_examples": 5_000,
        "stateful_step_count": 100,
        "deadline": None,
        "suppress_health_check": [HealthCheck.too_slow],
    },
}

for name, chosen in PROFILES.items():  # from Hypothesis' own default, whatever is loaded just now
    settings.register_profile(PREFIX + name, settings.get_profile("default"), **chosen)
