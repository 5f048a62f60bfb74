"""New names of settings and presets of version 0.1.0. An old name is refused with a message that has the new one."""

NEW_NAMES = {
    "widths": "hidden_channels",
    "residual_width": "residual_channels",
    "output_width": "output_channels",
    "restart_below": "dead_entry_threshold",
    "kmeans_steps": "kmeans_init_steps",
    "decoder_maps": "decoder_channels",
    "decoder_features": "decoder_condition_channels",
    "wavenet_cycles": "wavenet_stacks",
    "wavenet_maps": "wavenet_channels",
    "wavenet_skip": "wavenet_skip_channels",
    "wavenet_features": "wavenet_condition_channels",
    "wavenet_drop_condition": "wavenet_condition_dropout",
    "maps": "channels",
    "cycles": "stacks",
}

# The values of --preset, and of `preset` in a config.json of version 0.1.0, which is still read.
NEW_PRESETS = {"paper": "categorical"}
