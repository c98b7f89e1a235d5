"""The teacher is the student's moving average and nothing else (oracle 5)."""

import pytest
import torch
from torch import nn

from napari_transmedseg.engine.teacher import make_teacher, update_teacher


def _student(seed, dims=2):
    torch.manual_seed(seed)
    convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv3d, nn.BatchNorm3d)
    student = nn.Sequential(convolution(1, 4, 3), norm(4), nn.Dropout(0.5))
    for _ in range(seed + 1):
        student(torch.randn(2, 1, *[8] * dims) + seed)
    return student


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("decay", [0.0, 0.9, 0.99, 0.999, 1.0])
def test_weights_and_running_statistics_follow_the_exact_formula(decay, dims):
    teacher, student = make_teacher(_student(0, dims)), _student(3, dims)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    update_teacher(teacher, student, decay)
    for name, value in student.state_dict().items():
        if value.is_floating_point():
            expected = decay * before[name] + (1 - decay) * value
            torch.testing.assert_close(teacher.state_dict()[name], expected)
        else:
            assert torch.equal(teacher.state_dict()[name], value), name


def test_with_decay_nought_the_teacher_is_the_student_bit_for_bit():
    teacher, student = make_teacher(_student(0)), _student(1)
    update_teacher(teacher, student, 0.0)
    for name, value in student.state_dict().items():
        assert torch.equal(teacher.state_dict()[name], value), name


def test_no_gradient_reaches_the_teacher_and_it_evaluates():
    student = _student(0)
    teacher = make_teacher(student)
    output = teacher(torch.randn(1, 1, 8, 8))
    update_teacher(teacher, student, 0.9)
    assert not output.requires_grad
    assert not any(value.requires_grad for value in teacher.parameters())
    assert not any(module.training for module in teacher.modules())
    assert student.training


def test_the_teacher_is_a_copy_of_its_own():
    student = _student(0)
    teacher = make_teacher(student)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    update_teacher(teacher, _student(2), 0.5)
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_autocast_changes_nothing():
    teachers = [make_teacher(_student(0)) for _ in range(2)]
    student = _student(1)
    update_teacher(teachers[0], student, 0.99)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        update_teacher(teachers[1], student, 0.99)
    for plain, cast in zip(*(t.state_dict().values() for t in teachers), strict=True):
        assert plain.dtype == cast.dtype
        assert torch.equal(plain, cast)


def test_another_architecture_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        update_teacher(make_teacher(nn.Linear(2, 2)), nn.Linear(2, 2, bias=False), 0.9)
