import pytest
import torch


@pytest.fixture
def one_thread():
    """Sums are equal to the bit for one number of threads; other tests of this process may have set another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
