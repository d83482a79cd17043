"""Documents with drawn figures in them: PDF, PowerPoint and Word files, and pictures alone."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_servers.drawings.painting import paint
from mcp_servers.drawings.scenes import Colour, Scene, Shape, Thing

if TYPE_CHECKING:
    from PIL.Image import Image


def drawing(colour: Colour, shape: Shape, side: int = 96) -> Image:
    """One big shape on white."""
    return paint(Scene((Thing(shape, colour, "big", 0.5, 0.5, 0.24),)), side)


def png(image: Image) -> io.BytesIO:
    data = io.BytesIO()
    image.save(data, "PNG")
    data.seek(0)
    return data


@dataclass
class Sheet:
    """A PDF page of 595 x 842 points.

    `texts` are (x, y, line), `pictures` (x, y, width, height, image) from the lower left corner,
    `drawn` are operators of PDF's own.
    """

    texts: Sequence[tuple[float, float, str]] = ()
    pictures: Sequence[tuple[float, float, float, float, Image]] = ()
    drawn: str = ""
    more: str = field(default="")  # entries of the page's dictionary


_TO_UNICODE = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Same def\n"
    "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
    "1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end"
)


def pdf(path: Path, sheets: Sequence[Sheet]) -> Path:
    """Write a PDF whose font only has a map to Unicode, as `pdf_bytes` does, and pictures."""
    objects: list[bytes] = [b"", b""]

    def add(body: str, stream: bytes | None = None) -> int:
        data = body.encode()
        if stream is not None:
            data = data.replace(b"<<", b"<< /Length %d" % len(stream), 1)
            data += b"\nstream\n" + stream + b"\nendstream"
        objects.append(data)
        return len(objects)

    unicode_map = add("<< >>", _TO_UNICODE.encode())
    descendant = add(
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Any /DW 1000 "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
    )
    font = add(
        "<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H "
        f"/DescendantFonts [{descendant} 0 R] /ToUnicode {unicode_map} 0 R >>"
    )
    kids = []
    for sheet in sheets:
        content, images = sheet.drawn, ""
        for at, (x, y, width, height, image) in enumerate(sheet.pictures):
            number = add(
                f"<< /Type /XObject /Subtype /Image /Width {image.width} /Height {image.height} "
                "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode >>",
                zlib.compress(image.tobytes()),
            )
            images += f" /I{at} {number} 0 R"
            content += f"\nq {width} 0 0 {height} {x} {y} cm /I{at} Do Q"
        for x, y, line in sheet.texts:
            content += f"\nBT /F 10 Tf {x} {y} Td <{line.encode('utf-16-be').hex()}> Tj ET"
        stream = add("<< >>", content.encode())
        kids.append(
            add(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {sheet.more} /Resources "
                f"<< /Font << /F {font} 0 R >> /XObject <<{images} >> >> /Contents {stream} 0 R >>"
            )
        )
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{listed}] >>".encode()
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    path.write_bytes(out + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode())
    return path


CIRCLE = "0 0 1 rg 160 600 m 160 655 205 700 260 700 c 315 700 360 655 360 600 c h f"
"""Half a blue disc, drawn by the page itself."""


def report(path: Path) -> Path:
    """Three pages: a red star with a Korean caption, a drawn blue disc, and text alone."""
    star = drawing("red", "star")
    return pdf(
        path,
        [
            Sheet(
                [
                    (60, 780, "두레 보고서 첫 장은 수확량을 다룬다."),
                    (200, 540, "그림 1. 마을의 표식인 별"),
                    (60, 300, "본문은 여기에서 이어진다."),
                ],
                [(200, 560, 160, 160, star)],
            ),
            Sheet(
                [(60, 780, "The second page is about water."), (160, 580, "Figure 2: the pond")],
                drawn=CIRCLE,
            ),
            Sheet(
                [(60, 780, "마지막 쪽에는 글만 있다.")],
                drawn="0 0 0 RG 60 700 m 400 700 l S 60 690 m 400 690 l S",
            ),
        ],
    )


def slides(path: Path) -> Path:
    """Two slides: a green heart with alternative text; a drawn diagram of two shapes."""
    import pptx
    from pptx.dml.color import RGBColor
    from pptx.enum.shapes import MSO_SHAPE
    from pptx.util import Inches

    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[5])
    first.shapes.title.text = "건강한 마을"
    shown = first.shapes.add_picture(png(drawing("green", "heart")), Inches(3), Inches(3))
    shown._element.nvPicPr.cNvPr.set("descr", "초록 하트 그림")
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Water cycle"
    for at, kind in enumerate((MSO_SHAPE.OVAL, MSO_SHAPE.RECTANGLE)):
        shape = second.shapes.add_shape(kind, Inches(1 + 4 * at), Inches(3), Inches(3), Inches(2))
        shape.fill.solid()
        shape.fill.fore_color.rgb = RGBColor(30, 60, 210)
    second.shapes[1].text_frame.text = "rain"
    deck.save(str(path))
    return path


def letter(path: Path) -> Path:
    """A Word file with a purple cross under a heading, its caption below."""
    import docx
    from docx.shared import Inches

    document = docx.Document()
    document.add_heading("보건소 안내", 1)
    document.add_paragraph("보건소는 다리 건너에 있다.")
    document.add_picture(png(drawing("purple", "cross")), Inches(2))
    document.add_paragraph("그림 3: 보건소의 표지")
    document.save(str(path))
    return path
