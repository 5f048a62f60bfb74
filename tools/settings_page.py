"""Writes docs/settings.md: every setting and every preset, from the declarations in vq_estimator/config.

python tools/settings_page.py
"""

import os
from typing import Any, Dict, List

from vq_estimator import config as config_lib
from vq_estimator.config.fields import GROUPS

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "settings.md")
HEAD = """# Settings

Every setting of a run is a flag of `vq-train`, an argument of `make_config` and a field of the run directory's
`config.json`. `python tools/settings_page.py` writes this page from the declarations in `vq_estimator/config/`.

`vq-train --dataset=cifar10 --preset=tuned --help` shows the values of that preset. `--print_config` prints them as
JSON, and `--config=FILE` starts from such a file. A setting that a configuration does not have is refused.

`--preset=like` takes the model, objective, optimizer and training of the run or provided model that `--warm_start`
names, at a tenth of its learning rate ([fine-tuning](fine_tuning.md)); any data set of that kind of
data has it.
"""


def text(value: Any) -> str:
    """A value as a flag takes it."""
    if isinstance(value, tuple):
        return ",".join(str(n) for n in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def settings_tables() -> List[str]:
    """A table for each group: the flag, what it sets, its values, and which variant has it."""
    declared: Dict[str, Any] = {}
    owners: Dict[str, List[str]] = {}
    for flag, setting, chain in config_lib.declarations(config_lib.Config):
        declared.setdefault(flag, setting)
        choice = next((f"`--{registry.flag}={name}`" for registry, name in reversed(chain) if registry.flag), "")
        kind = next((name for registry, name in chain if not registry.flag), "")
        owners.setdefault(flag, []).append(choice or kind)
    lines = []
    for group in GROUPS:
        flags = [flag for flag, setting in declared.items() if setting.group == group]
        lines += [f"\n## {group}\n", row("flag", "what it sets", "values", "only for"), row("---", "---", "---", "---")]
        for flag in flags:
            only = list(dict.fromkeys(owners[flag]))
            everywhere = "" in only or {"image", "speech"} <= set(only)
            variants = "" if everywhere else ", ".join({"image": "images", "speech": "speech"}.get(o, o) for o in only)
            lines.append(row(f"`--{flag}`", declared[flag].help, declared[flag].kind.describe(), variants))
    return lines


def preset_tables() -> List[str]:
    """A table for each data set: the settings in which its presets differ, and those of a single preset."""
    lines = [
        "\n## Presets\n",
        "The settings in which the presets of a data set differ; `vq-train --help` has all of them.",
    ]
    done: Dict[Any, List[str]] = {}
    for dataset, presets in config_lib.PRESETS_OF.items():
        table = next((known for known in done if set(presets.items()) <= set(known)), tuple(presets.items()))
        lacking = [name for name, _ in table if name not in presets]
        done.setdefault(table, []).append(dataset + (f" (without {', '.join(lacking)})" if lacking else ""))
    for presets, datasets in done.items():
        names = [name for name, _ in presets]
        values = []
        for name in names:
            config = config_lib.make_config(datasets[0], name)
            values.append({found.flag: text(found.value) for found in config_lib.settings_of(config)})
        flags = list(dict.fromkeys(flag for each in values for flag in each))
        if len(names) > 1:
            flags = [flag for flag in flags if len({each.get(flag, "") for each in values}) > 1]
        lines += [f"\n### {', '.join(datasets)}\n", row("setting", *names), row(*["---"] * (1 + len(names)))]
        lines += [row(f"`{flag}`", *(each.get(flag, "") for each in values)) for flag in flags]
    return lines


def page() -> str:
    """The content of docs/settings.md."""
    return "\n".join([HEAD.rstrip(), *settings_tables(), *preset_tables()]) + "\n"


if __name__ == "__main__":
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page())
    print(PAGE)
