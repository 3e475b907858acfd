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


def test_the_papers_own_numbers_come_first():
    rows = {
        "full": (row("SSIM whole 64x64", 0.5, "higher"), row("FVD whole", 200, "lower"), row("LSE-D", 9, "lower")),
        "no audio": (row("SSIM whole 64x64", 0.6, "higher"), row("FVD whole", 900, "lower"), row("LSE-D", 8, "lower")),
    }
    found = {each.paper_number: each for each in orderings(rows)}
    assert (found["FVD"].our_number, found["FVD"].agreeing) == ("FVD whole", 1)
    assert (found["LSE-D"].ours, found["LSE-D"].agreeing) == (("no audio", "full"), 0)
    rows["no audio"] = rows["no audio"][:1]  # where one has no such number the other kind serves both
    assert [each.our_number for each in orderings(rows)] == ["SSIM whole 64x64"]


def test_the_ratios_of_the_face_are_a_table_of_their_own():
    rows = {f"face 1:{weight}": (row("FGD", value, "lower"),) for weight, value in ((1, 3), (2, 1), (3, 2))}
    (found,) = orderings({**rows, "full": (row("FGD", 0, "lower"),)})
    assert (found.paper, found.ours) == (("face 1:1", "face 1:3"), ("face 1:3", "face 1:1"))
    assert (found.agreeing, found.num_pairs) == (0, 1)


def test_a_number_that_all_share_is_no_order():
    rows = {name: (row("lip correlation", 0.8, "higher"),) for name in ("full", "still mask", "no audio")}
    assert orderings(rows) == []
