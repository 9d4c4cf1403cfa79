"""Makes a PDF of an SVG: SVG PDF. Its page is the drawing, its fonts those beside the SVG."""
import pathlib
import sys

import typst

source, target = map(pathlib.Path, sys.argv[1:3])
page = f'#set page(width: auto, height: auto, margin: 0pt)\n#image("{source.name}")\n'
try:
    pdf = typst.compile(page.encode(), root=str(source.parent), format="pdf", font_paths=[str(source.parent)], ignore_system_fonts=True)
except typst.TypstError as error:
    sys.exit(error.diagnostic)
target.write_bytes(pdf)
