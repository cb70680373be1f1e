"""Lesson 08's live view of a training run: progress, a stop button, a picture that grows."""

import time
from html import escape

from helpers import plots
from helpers.environment import has_live_frontend
from helpers.lesson_08.plots import run_so_far
from helpers.runs import RunRecord

EARLY = (5, 10, 15, 20)  # steps that are watched as well: the error falls early


class LiveView(RunRecord):
    """A `RunRecord` that shows itself: widgets and a growing picture, or four lines and a picture.

    watch: returns {"held-out error": dollars, "guess": dollars}, of the model so far.
    price: the asking price of the item that is guessed; floor: the noise floor of the held-out
        items, nan if nobody knows it.
    profile: what is trained, for advice if a card's memory runs out.
    live: None chooses by `has_live_frontend`. The stop button needs a kernel that takes clicks
    while a cell runs (ipykernel 7 in JupyterLab; not Colab's); the kernel's interrupt works anywhere.
    """

    def __init__(
        self, watch, price: float, floor: float, watch_every: int = 25, live=None, profile=None
    ):
        super().__init__(watch, watch_every, EARLY, profile)
        self.price, self.floor = price, floor
        self.live = has_live_frontend() if live is None else live
        self._opened = False

    def opened(self):
        self._start = time.time()
        self._next_line = self.step + (self.max_steps - self.step) / 4
        if self.live:
            self._open()
            self._draw()

    def logged(self, row):
        if self.live:
            self._tell(f"{self._seconds_left():.0f} s left")
            self._draw()
        elif row["step"] >= self._next_line:
            print("   ".join(self._figures()))
            self._next_line += (self.max_steps - self.first_step) / 4

    def ended(self):
        if self._opened:
            self._stop.disabled = True
            done = f"done in {time.time() - self._start:.0f} s"
            self._tell(f"stopped at step {self.step}" if self.stopped else done)
            self._shown.update({"text/plain": " "}, raw=True)  # makes way for the final picture
        if self.history or self.watched:
            plots.show(*self._picture())
        else:
            print("Nothing to draw: the run was stopped before its first step.")

    def _picture(self):
        return run_so_far(self.history, self.watched, self.max_steps, self.price, self.floor)

    def _figures(self):
        figures = [f"step {self.step} of {self.max_steps}"]
        if self.history:
            figures.append(f"loss {self.history[-1]['loss']:.3f}")
        if self.watched:
            newest = self.watched[max(self.watched)]
            figures += [f"{name} ${value:.3g}" for name, value in newest.items()]
        return figures

    def _seconds_left(self):
        done, left = self.step - self.first_step, self.max_steps - self.step
        return (time.time() - self._start) / max(done, 1) * left

    def _open(self):
        import ipywidgets as widgets
        from IPython.display import DisplayHandle, display

        self._bar = widgets.IntProgress(value=self.step, max=self.max_steps, description="steps")
        tip = "end now, keep what was learnt; if it does not answer, interrupt the kernel instead"
        self._stop = widgets.Button(description="stop", tooltip=tip)
        self._stop.on_click(self.stop)
        # a progress bar says nothing to a screen reader: the text has all that it shows
        self._text = (
            widgets.HTML()
        )  # a Label would set what is between two dollar signs as a formula
        display(widgets.VBox([widgets.HBox([self._bar, self._stop]), self._text]))
        # ipykernel 7.4 gives a click to the thread that spoke to the button last, which is this one,
        # busy until the run ends. Without its note the frontend's own thread takes the click.
        if self._stop.comm is not None:
            vars(self._stop.comm).pop("_reply_subshell_id", None)
        self._shown = DisplayHandle()
        self._shown.display({"text/plain": "the picture follows"}, raw=True)
        self._opened = True
        self._tell("starting")

    def _tell(self, state: str):
        self._bar.value = self.step
        text = " · ".join([*self._figures(), state])
        self._text.value = f'<span role="status">{escape(text)}</span>'

    def _draw(self):
        data, metadata = plots.png(*self._picture())
        self._shown.update(data, metadata=metadata, raw=True)
