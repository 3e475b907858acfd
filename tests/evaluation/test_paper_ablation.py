"""Our orderings beside the paper's."""

from mmgt.evaluation.measured import Measured
from mmgt.evaluation.paper_ablation import PAPER, orderings


def row(name, value, better):
    return Measured(name, value, 9, "", better, "", "")


def test_orders_that_agree_and_that_do_not():
    by_fgd = sorted(PAPER, key=lambda variant: PAPER[variant]["FGD"])
    rows = {
        variant: (
            row("SSIM whole 512x512", place, "higher"),
            row("SSIM whole 256x256", 0, "higher"),
            row("pose Frechet distance", place, "lower"),
            row("pose Frechet distance of two halves of the reference", 5, "none"),
        )
        for place, variant in enumerate(by_fgd)
    }
    found = {each.paper_number: each for each in orderings({**rows, "mine": rows["full"]})}
    assert found.keys() == {"FGD", "FVD"}
    fgd, fvd = found["FGD"], found["FVD"]
    assert fgd.ours == tuple(by_fgd)
    assert fgd.paper[0] == "full"
    ties = 1  # two variants have 7.09
    assert (fgd.agreeing, fgd.num_pairs) == (21 - ties, 21)
    assert fvd.our_number == "SSIM whole 512x512"
    assert fvd.ours == tuple(by_fgd[::-1])
    assert fvd.paper[0] == "full"
    assert fvd.agreeing < 11
    assert orderings({"full": rows["full"]}) == []
