"""Hooks of `make docs` (mkdocs.yml): the site's navigation, and files outside of docs/ that its pages link to.

docs/index.md decides the navigation: each heading of level 2 is a section, and each page that is linked below it an
entry. A link such as `../notebooks/mnist.ipynb` leads out of docs/. Its file becomes part of the site, below
`repository/`, so that every link of the pages works on the site as it does in a clone.
"""

import os
import posixpath
import re
from typing import Dict

from mkdocs.structure.files import File, InclusionLevel

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PREFIX = "repository/"
PAGE = re.compile(r"\[([^\]]+)\]\((\w+\.md)\)")
LINK = re.compile(r"\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")


def _read(path: str) -> str:
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def sections(index: str) -> Dict[str, Dict[str, str]]:
    """Section to page to title, in the order of docs/index.md; a page is in the first section that links to it."""
    found: Dict[str, Dict[str, str]] = {}
    seen = set()
    for part in re.split(r"^## ", index, flags=re.M)[1:]:
        title, _, text = part.partition("\n")
        pages = {page: name for name, page in reversed(PAGE.findall(text)) if page not in seen}
        found[title.strip()] = dict(reversed(list(pages.items())))
        seen.update(pages)
    return found


def on_config(config):
    """The navigation."""
    found = sections(_read("docs/index.md"))
    parts = [{title: [{name: page} for page, name in pages.items()]} for title, pages in found.items() if pages]
    config.nav = [{"Home": "index.md"}, *parts]
    return config


def _repository_path(page: str) -> str:
    """The path in the repository of a page or file of the site."""
    return page[len(PREFIX) :] if page.startswith(PREFIX) else "docs/" + page


def _site_path(path: str) -> str:
    """The path in the site of a file of the repository."""
    return path[len("docs/") :] if path.startswith("docs/") else PREFIX + path


def _targets(page: str, text: str) -> Dict[str, str]:
    """Links of a page that lead out of docs/, or that come from outside: link to path in the repository."""
    folder = posixpath.dirname(_repository_path(page))
    found = {link: posixpath.normpath(posixpath.join(folder, link)) for link, _ in LINK.findall(text)}
    return {link: path for link, path in found.items() if not (path.startswith("docs/") and page[:11] != PREFIX)}


def on_files(files, config):
    """Adds the files outside of docs/ that pages link to, and those that these link to."""
    left = [(f.src_uri, f.content_string) for f in files.documentation_pages()]
    while left:
        page, text = left.pop()
        for path in _targets(page, text).values():
            uri, source = _site_path(path), os.path.join(ROOT, path)
            if files.get_file_from_path(uri) is None and os.path.isfile(source):
                files.append(File.generated(config, uri, abs_src_path=source, inclusion=InclusionLevel.NOT_IN_NAV))
                if uri.endswith(".md"):
                    left.append((uri, _read(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns the links of a page to files outside of docs/ into links to their copies."""
    del config, files
    uri = page.file.src_uri
    targets = _targets(uri, markdown)

    def replaced(match):
        link, anchor = match.groups()
        path = targets.get(link)
        if path is None:
            return match.group()
        return f"]({posixpath.relpath(_site_path(path), posixpath.dirname(uri) or '.')}{anchor})"

    return LINK.sub(replaced, markdown)
