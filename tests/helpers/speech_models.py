"""The configuration of a small speech model, and where its numbers come from."""

RATE, STRIDE, K = 8000, 64, 8
SMALL = dict(hidden_channels=(8,) * 6, residual_blocks=1, K=K, D=8, window=512, batch_size=2, average_decay=0.9)
SMALL.update(
    wavenet_stacks=1,
    wavenet_layers=4,
    wavenet_channels=8,
    wavenet_skip_channels=8,
    wavenet_condition_channels=8,
    learning_rate=5e-3,
)
SMALL.update(wavenet_condition_dropout=0.2)
SMALL.update(max_steps=30, warmup_steps=1, save_checkpoints_steps=15, eval_steps=15, save_summary_steps=15)
