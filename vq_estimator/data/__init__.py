"""Data: files on disk to `tf.data` batches of uint8 images or mu-law levels."""
