"""Charts show their values where they are; a report has the pictures that its inputs allow."""

import numpy as np

from mmgt.evaluation.charts import BOTTOM, COLOURS, HEIGHT_PX, LEFT, RIGHT, TOP, WIDTH_PX, Chart, Curve
from mmgt.evaluation.pictures import report_pictures, sheet
from mmgt.evaluation.series import Series, WorstFrame
from mmgt.evaluation.video import Report


def drawn(chart, colour):
    """Rows and columns of the curve's own pixels inside of the axes."""
    inside = chart.draw()[TOP : HEIGHT_PX - BOTTOM + 1, LEFT : WIDTH_PX - RIGHT + 1]
    return np.argwhere((inside == colour).all(axis=-1))


def test_a_curve_lies_at_its_values():
    ramp = Chart("ramp", "m", [Curve("it", np.linspace(0, 4, 50))], fps=25)
    rows, columns = drawn(ramp, COLOURS[0]).T
    height, width = HEIGHT_PX - TOP - BOTTOM, WIDTH_PX - LEFT - RIGHT
    np.testing.assert_allclose(1 - rows / height, columns / width, atol=0.03)
    gap = np.linspace(0, 4, 50)
    gap[20:30] = np.nan
    columns = drawn(Chart("gap", "", [Curve("it", gap)], fps=25), COLOURS[0])[:, 1] / width
    assert not ((columns > 0.41) & (columns < 0.6)).any()
    for values in (np.zeros(3), np.array([np.nan] * 3), np.array([1e6, 1e6]), np.array([-3e-5])):
        assert Chart("any", "", [Curve("it", values)], fps=25).draw().shape == (HEIGHT_PX, WIDTH_PX, 3)


def test_marks_lie_on_their_curve_and_lines_go_through():
    beat = Chart("beats", "", [Curve("it", np.zeros(50), marks=[1.0])], 25, {"sound": [0.5]})
    rows, columns = drawn(beat, COLOURS[0]).T
    centre = columns[np.abs(rows - np.median(rows)) > 2]
    assert abs(centre.mean() / (WIDTH_PX - LEFT - RIGHT) - 0.5) < 0.01
    line = drawn(beat, (170, 170, 170))
    assert len(np.unique(line[:, 0])) > 0.9 * (HEIGHT_PX - TOP - BOTTOM)


def test_a_report_has_the_pictures_that_its_inputs_allow():
    assert report_pictures(Report((), ())) == {}
    picture = np.zeros((40, 60, 3), np.uint8)
    heat = np.zeros((40, 60))
    heat[5, 5] = 7
    worst = WorstFrame(3, 0.5, picture, picture + 9)
    series = Series(np.array([np.inf, 20]), np.array([1, 0.5]), np.ones(1), heat, heat, (worst,), speed=np.ones(4))
    pictures = report_pictures(Report((), (), series))
    assert list(pictures) == ["errors", "speech", "heat", "worst"]
    assert len({page.shape for page in sheet(pictures)}) == 1
    assert (pictures["heat"] == (252, 255, 164)).all(axis=-1).any()  # the hottest of the colour map
