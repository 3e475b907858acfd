import numpy as np

from mmgt.detect.boxes import letterbox, suppress_overlaps


def test_letterbox_pads_below_and_right():
    canvas, ratio = letterbox(np.full((100, 200, 3), 7, np.uint8), 640, 640)
    assert ratio == 3.2
    assert (canvas[:320] == 7).all()
    assert (canvas[320:] == 114).all()


def test_suppression_keeps_the_best_of_what_overlaps():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60.0]])
    assert suppress_overlaps(boxes, np.array([0.5, 0.9, 0.4])).tolist() == [1, 2]
