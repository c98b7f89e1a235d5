"""One training step: its terms and what they leave alone (METHOD 5, oracles 3, 6, 7)."""

from dataclasses import replace

import pytest
import torch
from tiny_cohort import Run, case, cohort, config, ellipses, same, small_plan, whole_slices
from torch.nn.functional import cross_entropy

from napari_transmedseg.engine import mixing
from napari_transmedseg.engine.checkpoint import load_checkpoint, restore, save_checkpoint
from napari_transmedseg.engine.copy_paste import masked_segmentation_loss
from napari_transmedseg.engine.graph_clustering import pick_level
from napari_transmedseg.engine.mixing import copy_paste, with_targets
from napari_transmedseg.engine.schedules import ramp
from napari_transmedseg.engine.step import loss_terms, train_step
from napari_transmedseg.engine.teaching import begin_pseudo_labels
from napari_transmedseg.errors import TrainingError


def _run(*, confidence=0.0, self_training=True, cases=None, **settings):
    """A run of the tiny cohort; pseudo-labels of an untrained teacher count unless asked."""
    plan = small_plan(config(steps=40, **settings), cases, confidence=confidence)
    return Run(plan, cases, self_training=self_training)


def _one_batch(run):
    """A mixed batch, the student's view of it, and what it was made of."""
    labeled, unlabeled = run.sampler.labeled(4), run.sampler.unlabeled(4)
    pseudo = begin_pseudo_labels(run.state, run.plan, unlabeled).finish(count=True)
    arrangement = copy_paste(labeled, run.state.generator)
    image = arrangement.combine(labeled.strong_B1HW, unlabeled.strong_B1HW)
    mixed = with_targets(arrangement, image, labeled, unlabeled, pseudo)
    return mixed, run.state.student(mixed.image_B1HW), (labeled, unlabeled, pseudo)


def _gradients(run, steps=3):
    run.steps(steps)
    return {name: p.grad.clone() for name, p in run.state.student.named_parameters()}


# Oracle 3: what is left when terms are switched off.


@pytest.mark.parametrize(
    ("switched_off", "method"),
    [
        pytest.param({"tsa_weight": 0.0}, "graphcl", id="β = 0 is GraphCL"),
        pytest.param({"tsa_weight": 0.0, "graph_weight": 0.0}, "bcp", id="γ = β = 0 is BCP"),
    ],
)
def test_a_weight_of_zero_trains_as_the_method_without_the_term(switched_off, method):
    one, other = _run(**switched_off), _run(method=method)
    assert same(_gradients(one), _gradients(other))
    assert one.steps(5) == other.steps(5)
    assert same(one.weights(), other.weights())


def test_semantic_augmentation_changes_no_batch_and_no_other_term():
    with_tsa, without = _run().steps(1)[0], _run(method="graphcl").steps(1)[0]
    assert with_tsa.pop("tsa") > 0
    del with_tsa["total"], without["total"]
    assert with_tsa == without


def test_bcp_is_the_sum_over_both_mixed_images_each_part_by_its_own_voxels():
    run = _run(method="bcp")
    run.state.self_training_steps = 3
    mixed, output, _ = _one_batch(run)
    terms = loss_terms(run.state, run.plan, output, mixed, 0.5)

    def both(weight):
        return sum(
            masked_segmentation_loss(output.logits[p], mixed.target_BHW[p], weight[p])
            for p in (slice(0, 2), slice(2, 4))
        )

    u = run.plan.recipe.pseudo_label_weight * ramp(3, run.plan.recipe.ramp_steps)
    assert set(terms) == {"supervised", "pseudo"}
    torch.testing.assert_close(terms["supervised"], both(mixed.annotated_BHW))
    torch.testing.assert_close(terms["pseudo"], u * both(mixed.pseudo_BHW))


def test_the_graph_term_is_the_clustering_loss_of_one_encoder_level_with_its_weight_and_ramp():
    run = _run(method="graphcl")
    run.state.self_training_steps = 5
    mixed, output, _ = _one_batch(run)
    terms = loss_terms(run.state, run.plan, output, mixed, 0.5)
    level = pick_level(output.encoder, run.plan.recipe.graph_nodes)
    expected = run.state.graph(level, mixed.inside_BHW) * 0.1 * ramp(5, 8)
    torch.testing.assert_close(terms["graph"], expected)


def test_without_strength_the_tsa_term_is_the_cross_entropy_of_annotated_voxels():
    run = _run(tsa_strength=0.0)
    run.steps(15)  # statistics of every class are ready: T could be something
    mixed, output, _ = _one_batch(run)
    terms = loss_terms(run.state, run.plan, output, mixed, 0.5)
    label = torch.where(mixed.annotated_BHW > 0, mixed.target_BHW, -100)
    torch.testing.assert_close(terms["tsa"], 0.4 * cross_entropy(output.logits, label))
    graphcl = replace(run.plan, method="graphcl", tsa_weight=0.0)
    others = loss_terms(run.state, graphcl, output, mixed, 0.5)
    assert all(torch.equal(terms[name], value) for name, value in others.items())
    assert set(terms) - set(others) == {"tsa"}


def test_semantic_augmentation_makes_the_cross_entropy_harder_once_statistics_are_ready():
    run = _run()
    run.steps(15)
    mixed, output, _ = _one_batch(run)
    moved = loss_terms(run.state, run.plan, output, mixed, 1.0)["tsa"]
    plain = loss_terms(run.state, replace(run.plan, tsa_strength=0.0), output, mixed, 1.0)["tsa"]
    assert moved != plain
    run.state.trusted = False
    distrusted = loss_terms(run.state, run.plan, output, mixed, 1.0)
    torch.testing.assert_close(distrusted["tsa"], plain, rtol=0, atol=0)
    assert "pseudo" not in distrusted


def test_warm_up_is_supervised_whatever_the_method():
    runs = [_run(method=m, self_training=False) for m in ("transmedseg", "bcp", "supervised")]
    losses = [run.steps(3) for run in runs]
    assert losses[0] == losses[1] == losses[2]
    assert set(losses[0][0]) == {"supervised", "total"}


# Oracle 6: masks, unknown voxels, padding.


def _everything_outside_the_box(shape, *, batch, generator=None, device="cpu", side=0.0):
    return torch.ones(batch, *shape, device=device)


def test_with_a_mask_of_ones_x_out_is_supervised_and_x_in_is_u_times_the_pseudo_labels(monkeypatch):
    monkeypatch.setattr(mixing, "box_mask", _everything_outside_the_box)
    run = _run(method="bcp")
    run.state.self_training_steps = 1000
    mixed, output, (labeled, unlabeled, pseudo) = _one_batch(run)
    assert torch.equal(mixed.image_B1HW[:2], unlabeled.strong_B1HW[:2])
    assert torch.equal(mixed.image_B1HW[2:], labeled.strong_B1HW[2:])
    u = 0.5
    plan = replace(run.plan, recipe=replace(run.plan.recipe, pseudo_label_weight=u))
    terms = loss_terms(run.state, plan, output, mixed, 0.5)
    known = (labeled.known_BHW & labeled.inside_BHW)[2:].float()
    on_labeled = masked_segmentation_loss(output.logits[2:], labeled.label_BHW[2:], known)
    on_unlabeled = masked_segmentation_loss(
        output.logits[:2], pseudo.label_BHW[:2], pseudo.weight_BHW[:2]
    )
    torch.testing.assert_close(terms["supervised"], on_labeled)
    torch.testing.assert_close(terms["pseudo"], u * on_unlabeled)


def _partly_known():
    """Annotated on the left half of three slices only; elsewhere the array is wrong."""
    known = whole_slices([1, 2, 3])
    known[:, :, 12:] = False
    return [case("a", ellipses(), known), *cohort()[2:]]


@pytest.mark.parametrize("self_training", [False, True])
def test_unknown_voxels_get_no_gradient_where_no_pseudo_label_is_used(self_training):
    run = _run(confidence=1.1, cases=_partly_known(), graph_weight=0.0)
    if self_training:
        mixed, output, _ = _one_batch(run)
    else:
        run.state.phase = "warm-up"
        mixed = mixing.warm_up_batch(run.sampler.labeled(4), True, run.state.generator)
        output = run.state.student(mixed.image_B1HW)
    output.logits.retain_grad()
    terms = loss_terms(run.state, run.plan, output, mixed, 1.0)
    sum(terms.values()).backward()
    unknown = (mixed.annotated_BHW == 0).unsqueeze(1).expand_as(output.logits)
    assert unknown.any() and not unknown.all()
    assert torch.count_nonzero(output.logits.grad[unknown]) == 0
    assert torch.count_nonzero(output.logits.grad[~unknown]) > 0


def test_terms_without_a_voxel_are_exactly_zero_and_move_nothing():
    run = _run(graph_weight=0.0)
    mixed, output, _ = _one_batch(run)
    nothing = torch.zeros_like(mixed.annotated_BHW)
    empty = replace(mixed, annotated_BHW=nothing, pseudo_BHW=nothing)
    terms = loss_terms(run.state, run.plan, output, empty, 1.0)
    assert set(terms) == {"supervised", "pseudo", "tsa"}
    assert all(value.item() == 0.0 for value in terms.values())
    sum(terms.values()).backward()
    gradients = [p.grad for p in run.state.student.parameters() if p.grad is not None]
    assert all(torch.count_nonzero(gradient) == 0 for gradient in gradients)
    assert float(run.state.source.count_C.sum()) == 0


def _with_padding():
    """Beside a case that fills the window, two that are much smaller than it."""
    small = (6, 14, 24)
    return [
        *cohort()[:1],
        case("small", ellipses(small), whole_slices([0, 2, 3], small)),
        case("tiny", ellipses(small), None, annotated=False),
    ]


def test_padding_takes_part_in_no_loss_statistic_or_pseudo_label():
    run = _run(cases=_with_padding())
    for _ in range(4):
        mixed, output, (labeled, unlabeled, pseudo) = _one_batch(run)
        padding = ~mixed.inside_BHW
        assert padding.any()
        assert mixed.annotated_BHW[padding].sum() == mixed.pseudo_BHW[padding].sum() == 0
        assert pseudo.weight_BHW[~unlabeled.inside_BHW].sum() == 0
        assert pseudo.label_BHW[~unlabeled.inside_BHW].sum() == 0
        assert not labeled.known_BHW[~labeled.inside_BHW].any()
    before = run.state.source.count_C.clone()
    output.logits.retain_grad()
    graphless = replace(run.plan, graph_weight=0.0)
    sum(loss_terms(run.state, graphless, output, mixed, 1.0).values()).backward()
    where = padding.unsqueeze(1).expand_as(output.logits)
    assert torch.count_nonzero(output.logits.grad[where]) == 0
    counted = (run.state.source.count_C - before).sum()
    assert counted == mixed.annotated_BHW.sum()


def test_what_the_teacher_sees_in_the_padding_cannot_displace_an_organ():
    run = _run(cases=_with_padding())
    with torch.no_grad():  # a teacher that calls everything class 1, the padding as well
        run.state.teacher.classifier.weight.zero_()
        run.state.teacher.classifier.bias.copy_(torch.tensor([0.0, 9.0, 0.0]))
    organ = torch.zeros(4, 24, 24, dtype=torch.bool)
    organ[:, 10:15, 10:15] = True
    inside = organ.clone()
    inside[:, 2:5, 2:5] = True  # connected with the organ by way of the padding only
    unlabeled = replace(run.sampler.unlabeled(4), inside_BHW=inside)
    pseudo = begin_pseudo_labels(run.state, run.plan, unlabeled).finish(count=False)
    assert torch.equal(pseudo.label_BHW, organ.long())


def test_shares_and_entropy_are_those_of_the_voxels_on_the_image():
    run = _run(cases=_with_padding())
    reported = run.steps(3)
    assert [step["pseudo_label_share"] for step in reported] == [1.0, 1.0, 1.0]
    none = _run(cases=_with_padding(), confidence=1.1).steps(1)[0]
    assert none["pseudo_label_share"] == none["pseudo"] == 0.0


def test_only_confident_voxels_carry_a_pseudo_label():
    run = _run(confidence=0.4)
    _, _, (_, unlabeled, pseudo) = _one_batch(run)
    with torch.no_grad():
        confidence = run.state.teacher(unlabeled.plain_B1HW).logits.softmax(1).amax(1)
    expected = (confidence >= 0.4) & unlabeled.inside_BHW
    assert torch.equal(pseudo.weight_BHW > 0, expected)


# Oracle 7: the same seed gives the same run, also across a checkpoint.

RUNS = [
    pytest.param({}, id="transmedseg"),
    pytest.param({"preset": "paper"}, id="paper preset"),
    pytest.param({"method": "mean-teacher"}, id="mean teacher"),
    pytest.param({"method": "supervised"}, id="supervised"),
]


@pytest.mark.parametrize("settings", RUNS)
def test_twenty_steps_in_one_go_are_ten_and_ten_after_a_checkpoint(settings, tmp_path):
    self_training = settings.get("method") != "supervised"
    straight = _run(**settings, self_training=self_training)
    expected = straight.steps(20)

    first = _run(**settings, self_training=self_training)
    assert first.steps(10) == expected[:10]
    save_checkpoint(tmp_path / "last.pt", first.state, first.plan)
    second = _run(**settings, self_training=False)
    second.steps(3)  # whatever it did before is forgotten
    restore(second.state, load_checkpoint(tmp_path / "last.pt"))
    assert second.state.step == 10
    assert second.steps(10) == expected[10:]
    assert same(second.weights(), straight.weights())
    for name, value in straight.state.targets[0].state_dict().items():
        assert torch.equal(value, second.state.targets[0].state_dict()[name])


def test_another_seed_is_another_run():
    plan = small_plan()
    assert Run(plan, seed=0).steps(1) != Run(plan, seed=1).steps(1)


# What goes wrong.


@pytest.mark.parametrize("self_training", [False, True])
def test_a_loss_that_is_no_number_raises_and_leaves_weights_and_teacher(self_training):
    run = _run(self_training=self_training)
    run.steps(2)
    student = {name: p.clone() for name, p in run.state.student.named_parameters()}
    teacher = {name: v.clone() for name, v in run.state.teacher.state_dict().items()}
    run.store.image_N1HW[:] = torch.nan
    with pytest.raises(TrainingError, match="finite loss.*step 2"):
        train_step(run.state, run.plan, run.sampler, 0.1)
    assert same(student, dict(run.state.student.named_parameters()))
    assert same(teacher, run.state.teacher.state_dict())
    assert run.state.step == 2
