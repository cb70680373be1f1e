"""Sphinx's settings for the course's site; tests/tools/build_site.py writes the pages."""

from docutils import nodes
from latex2mathml.converter import convert

project = "From tensors to QLoRA"
author = "the course's authors"
copyright = "the course's authors, MIT licence"
version = "0.1.0"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the committed outputs are what the pages show
nb_merge_streams = True
myst_enable_extensions = ["attrs_block", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["doctrees", "epub", "templates", "static"]
templates_path = ["templates"]

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_additional_pages = {"search": "search.html"}
html_sidebars = {"**": ["lessons.html"], "index": []}
html_copy_source = html_show_sourcelink = html_use_index = False
html_scaled_image_link = False
html_math_renderer = "mathml"  # browsers show it without a script
html_favicon = "static/icon.svg"
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_center": [],
    "navbar_persistent": ["search-button-field"],
    "navbar_end": ["theme-switcher"],
    "search_bar_text": "Search the lessons …",
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": [],
    "footer_end": [],
}

epub_basename = "course"
epub_uid = epub_identifier = "from-tensors-to-qlora"
epub_tocscope = "includehidden"  # or its table of contents has the first page alone
epub_description = "Nine lessons, from a single number to a language model that you fine-tune."
epub_exclude_files = ["_static/closing.gif"]
epub_show_urls = "no"
epub_tocdepth = 2
suppress_warnings = ["epub.unknown_project_files"]


def formula(display: str):
    """What writes a formula as MathML."""

    def visit(translator, node: nodes.Element) -> None:
        translator.body.append(convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit, None


def leave_search_out(app) -> None:
    """Pagefind searches, so no page loads Sphinx's own index; a book has no search."""
    app.builder.search = False
    if app.builder.name == "epub":
        app.config.html_additional_pages = {}


def setup(app) -> None:
    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
    app.connect("builder-inited", leave_search_out)
