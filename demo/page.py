"""The page that the demo reads: lines of English and Chinese, drawn so that the truth is known."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

# Debian's fonts-noto-cjk; tools/install_packages.sh installs it.
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
FACE = "Noto Sans CJK SC"

LINES = [
    "Measure twice, cut once.",
    "先量两次，再下刀一次",
    "An arena that grows by doubling holds memory",
    "内存按倍增长，归还却遥遥无期",
    "that nobody uses: 1441 MiB against 673 MiB.",
    "千里之行，始于足下",
    "Ring the bells that still can ring",
    "学而时习之，不亦说乎",
    "Total: 128.50 EUR, due 2026-11-30",
    "北京市海淀区中关村大街27号",
    "The quick brown fox jumps over the lazy dog",
    "今天天气很好，我们去公园散步",
]


def find_face(size: int) -> ImageFont.FreeTypeFont:
    """The simplified Chinese face of the collection, whose order differs between releases."""
    for index in range(32):
        try:
            face = ImageFont.truetype(str(FONT), size, index=index)
        except OSError:
            break
        if face.getname()[0] == FACE:
            return face
    raise SystemExit(f"{FONT} has no face {FACE}; on Debian: apt-get install fonts-noto-cjk")


def draw_page(path: Path, size: int = 34) -> None:
    """Draws LINES, black on white with a little margin, into an image file."""
    face = find_face(size)
    width = max(int(face.getlength(line)) for line in LINES) + 4 * size
    pitch = 2 * size
    page = Image.new("RGB", (width, pitch * (len(LINES) + 1)), "white")
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(LINES):
        pen.text((2 * size, pitch // 2 + row * pitch), line, font=face, fill="black")
    page.save(path)
