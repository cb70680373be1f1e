"""Lesson 08's live view of a training run: progress, a stop button, a picture that grows, a replay."""

import time
from html import escape

import numpy as np

from helpers import plots, svg
from helpers.environment import has_live_frontend
from helpers.lesson_08.plots import end_of_prices, quantile, run_so_far
from helpers.runs import Diverged, RunRecord

EARLY = (5, 10, 15, 20)  # steps that are watched as well: the error falls early


class LiveView(RunRecord):
    """A `RunRecord` that shows itself: widgets and a growing picture, or four lines and a picture.

    watch: returns ({"held-out error": dollars, "guess": dollars}, belief), of the model so far;
        the belief about the price of the item that is guessed, shape (n,), moves in sight and is
        kept in `beliefs`, {step: belief}. The record on the disk has the numbers alone, so a
        resumed run has the beliefs that it saw itself.
    price: the asking price of the item that is guessed; floor: the noise floor of the held-out
        items, nan if nobody knows it.
    profile: what is trained, for advice if a card's memory runs out.
    live: None chooses by `has_live_frontend`. The stop button needs a kernel that takes clicks
    while a cell runs (ipykernel 7 in JupyterLab; not Colab's); the kernel's interrupt works anywhere.
    """

    def __init__(
        self, watch, price: float, floor: float, watch_every: int = 25, live=None, profile=None
    ):
        super().__init__(self._see, watch_every, EARLY, profile)
        self.watch_item, self.beliefs = watch, {}
        self.price, self.floor = price, floor
        self.live = has_live_frontend() if live is None else live
        self._opened = False

    def opened(self):
        self._start = time.time()
        self._next_line = self.step + (self.max_steps - self.step) / 4
        if self.live:
            self._open()
            self._draw()
            self._slide()

    def logged(self, row):
        if self.live:
            if not self.stopped:
                left = self._seconds_left()
                self._tell(f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")
            if time.time() >= self._next_picture:
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

    def stop(self, _button=None):
        super().stop()
        if self._opened:
            self._stop.disabled = True
            self._tell("stopping after the step under way")

    def replay(self) -> None:
        """Display each look at the model, to go through with a slider: belief and held-out error.

        Without a kernel a sentence points at the picture above.
        """
        if not self.beliefs:
            print("Nothing to replay: an earlier session trained this adapter.")
            return
        from IPython.display import display

        from helpers import widgets

        display(self.replayed())
        note = "The picture above shows a few of these looks. Run the lesson to go through all."
        widgets.static_note(note)

    def replayed(self):
        """`replay`'s slider over the looks at the model, in a box; the answer is its last child."""
        import ipywidgets

        from helpers import widgets

        looks = list(self.beliefs)
        number, slider = widgets.knob("look", 1, 1, len(looks))

        def answer():
            step = looks[number.value - 1]
            belief, error = self.beliefs[step], self.watched[step]["held-out error"]
            low, median, high = (quantile(belief, share) for share in (0.1, 0.5, 0.9))
            mean = belief @ np.arange(len(belief)) / belief.sum()
            said = (
                f"Look {number.value} of {len(looks)}, after step {step} of {self.max_steps}: "
                f"median ${median}, mean ${mean:.0f}, the middle 80 % from ${low} to ${high}; "
                f"the held-out error is ${error:.1f}"
            )
            return said, self._belief_at(step) + self._error_at(step)

        said = widgets.answer_to(answer, number)
        return ipywidgets.VBox([widgets.row([number, slider]), said])

    def _see(self, model):
        """Keep the belief, show it, and give the numbers to the record."""
        numbers, belief = self.watch_item(model)
        if not np.isfinite(belief).all():
            raise Diverged(self.step)
        if not self.watched:  # a run from its start
            self.beliefs = {}
        self.beliefs[self.step] = np.asarray(belief)
        if self._opened:
            self._slide()
        return numbers

    def _slide(self):
        if self.beliefs:
            self._belief.value = self._belief_at(self.step)

    def _belief_at(self, step) -> str:
        """The belief after `step` in SVG, above the outline of the first one; axes fit all of them."""
        first, belief = next(iter(self.beliefs.values())), self.beliefs[step]
        end = end_of_prices(self.beliefs.values(), self.price)
        top = 130 * max(seen.max() for seen in self.beliefs.values())
        chart = svg.Chart((0, end), (0, top), "price (dollars)", "probability (%)", height=190)
        edges = np.repeat(np.arange(len(belief) + 1) - 0.5, 2)[1:-1]
        inside = edges < end
        for seen, look in ((belief, {"filled": True}), (first, {"dashes": "3 3"})):
            colour = plots.REFERENCE if look.get("dashes") else plots.TRAINING
            chart.line(edges[inside], 100 * seen.repeat(2)[inside], colour, **look)
        median = quantile(belief, 0.5)
        chart.upright(median, plots.VALIDATION, "median", left=median < self.price)
        chart.upright(self.price, "currentColor", "asking price", "4 3", left=median >= self.price)
        return chart.html()

    def _error_at(self, step) -> str:
        """The held-out error over the looks in SVG, the one after `step` with a large dot."""
        steps = list(self.watched)
        errors = [seen["held-out error"] for seen in self.watched.values()]
        ends = (0, max(self.max_steps, 1)), (0, 1.1 * max(*errors, 1))
        chart = svg.Chart(*ends, "step", "error ($)", height=140)
        if self.floor == self.floor:  # not nan
            chart.line(ends[0], [self.floor] * 2, plots.REFERENCE, "4 3")
        chart.line(steps, errors, plots.VALIDATION)
        chart.dots([step], [self.watched[step]["held-out error"]], plots.VALIDATION, radius=6)
        return chart.html()

    def _picture(self):
        seen = self.history, self.watched, self.beliefs
        return run_so_far(*seen, self.max_steps, self.price, self.floor)

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
        import ipywidgets
        from IPython.display import DisplayHandle, display

        self._bar = ipywidgets.IntProgress(value=self.step, max=self.max_steps, description="steps")
        tip = "end now, keep what was learnt; if it does not answer, interrupt the kernel instead"
        self._stop = ipywidgets.Button(description="stop", tooltip=tip)
        self._stop.on_click(self.stop)
        # a progress bar says nothing to a screen reader: the text has all that it shows
        # HTML, not a Label, which takes what is between two dollar signs for a formula
        self._text = ipywidgets.HTML()
        self._belief = ipywidgets.HTML()
        display(
            ipywidgets.VBox([ipywidgets.HBox([self._bar, self._stop]), self._text, self._belief])
        )
        # ipykernel 7.4 gives a click to the thread that spoke to the button last, which is this one,
        # busy until the run ends. Without its note the frontend's own thread takes the click.
        if self._stop.comm is not None:
            vars(self._stop.comm).pop("_reply_subshell_id", None)
        self._shown = DisplayHandle()
        self._shown.display({"text/plain": "the picture follows"}, raw=True)
        self._opened = True
        self._tell("starting")

    def _tell(self, state: str):
        from helpers.widgets import NO_FORMULA

        self._bar.value = self.step
        text = " · ".join([*self._figures(), state])
        self._text.value = f'<span role="status" {NO_FORMULA}>{escape(text)}</span>'

    def _draw(self):
        start = time.time()
        data, metadata = plots.png(*self._picture())
        self._shown.update(data, metadata=metadata, raw=True)
        self._next_picture = time.time() + 10 * (time.time() - start)  # the cores are for training
