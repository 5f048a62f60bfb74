"""The format `web`: a folder with a page that shows the codes of an image in the browser."""
