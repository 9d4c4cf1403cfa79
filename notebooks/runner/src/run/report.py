"""Typesets the report: NOTEBOOKS BUILD OUT [--pages]. Equal inputs give equal bytes: no system fonts, no clock."""
import pathlib
import sys
import warnings

import typst

notebooks, build, out = map(pathlib.Path, sys.argv[1:4])
# typst says of its HTML that it is new
warnings.simplefilter("ignore")
compiler = typst.Compiler(
    input=str(notebooks / "report" / "report.typ"), root=str(notebooks), font_paths=[str(build)], ignore_system_fonts=True
)
try:
    (out / "report.pdf").write_bytes(compiler.compile(format="pdf", timestamp=0))
    (out / "report.html").write_bytes(compiler.compile(format="html"))
    if "--pages" in sys.argv:
        pages = compiler.compile(format="png", ppi=100)
        pages = pages if isinstance(pages, list) else [pages]
        for old in out.glob("page-*.png"):
            old.unlink()
        for number, page in enumerate(pages, 1):
            (out / f"page-{number:02}.png").write_bytes(page)
        print(f"{len(pages)} pages")
except typst.TypstError as error:
    sys.exit(error.diagnostic)
