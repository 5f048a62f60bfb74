"""Settings and flags of version 0.1.0 that have another name now: an old one is refused with the new one."""

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
