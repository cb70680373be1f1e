"""The picture of lesson 1's riddle: drawn by formula, and broken by one reshape."""

import torch

LLAMA = """
............W..W....
............W..W....
............WWWW....
............WWDWWW..
............WWWWWD..
............WWWWWW..
............WWW.....
............WWW.....
............WWW.....
.W..........WWW.....
WWWWWWWWWWWWWWW.....
.WWWWRRRRRWWWWW.....
.WWWWYYYYYWWWWW.....
.WWWWRRRRRWWWWW.....
.WWWWWWWWWWWWWW.....
.WWW.......WWWW.....
.WW.........WW......
.WW.........WW......
.WW.........WW......
.DD.........DD......
""".split()
PAINTS = {"W": (250, 240, 215), "D": (60, 40, 40), "R": (200, 40, 60), "Y": (245, 190, 40)}
HEIGHT, WIDTH, SCALE, GROUND = 60, 90, 2, 46  # pixels; SCALE of the llama; first row of grass
WORDS = "a llama with a red blanket on a green meadow, before a sunset and a low yellow sun"


def whole_picture() -> torch.Tensor:
    """The picture as it should be, (3, 60, 90), from 0 to 1."""
    down = torch.linspace(0, 1, HEIGHT)[:, None, None]
    top, low = torch.tensor([70.0, 90, 190]), torch.tensor([255.0, 150, 90])
    picture = (top + (low - top) * down).expand(HEIGHT, WIDTH, 3).clone()
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    picture[(rows - 30) ** 2 + (columns - 68) ** 2 < 121] = torch.tensor([255.0, 225, 80])
    hills = GROUND - 5 - 3 * torch.sin(columns / 9)
    picture[rows > hills] = torch.tensor([70.0, 130, 90])
    picture[rows >= GROUND] = torch.tensor([60.0, 160, 60])
    for i, line in enumerate(LLAMA):
        for j, paint in enumerate(line):
            if paint in PAINTS:
                y, x = 14 + SCALE * i, 18 + SCALE * j
                picture[y : y + SCALE, x : x + SCALE] = torch.tensor(PAINTS[paint]).float()
    return (picture / 255).permute(2, 0, 1).contiguous()


def broken(picture: torch.Tensor) -> torch.Tensor:
    """`picture` (3, H, W) stored with its channels last, then read as if they came first."""
    return picture.permute(1, 2, 0).reshape(picture.shape)


def broken_picture() -> torch.Tensor:
    """What the riddle shows, (3, 60, 90), from 0 to 1."""
    return broken(whole_picture())
