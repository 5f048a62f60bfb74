"""Image files, animations and figures from NumPy arrays.

Nothing here knows a model or a run, and no window is opened. Files are written atomically.
"""

from vq_estimator.drawing.arrays import grid, panels, side_by_side, sprite
from vq_estimator.drawing.codes import Shares, code_maps, code_shares, codebooks
from vq_estimator.drawing.figures import log_lines, plain_text, stacked_bars
from vq_estimator.drawing.image_files import image_suffix, save_gif, save_image, save_mp4, save_png
from vq_estimator.drawing.recordings import Sound, recordings
from vq_estimator.drawing.tables import table
