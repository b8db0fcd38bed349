"""Directory names of cells: short, one component, never shared, the same whenever the sweep is given again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoal.sweeps.names import LONGEST, constants, directory_name, varying


def test_what_is_the_same_for_all_cells_stands_in_no_name() -> None:
    constant = constants(
        ["strategy=random,margin", "seed=0", "loop.n_query=10", "loop.epochs=range(1,3)", "trainer=cpu,ddp_cpu"]
    )
    cell = ["strategy=random", "seed=0", "loop.n_query=10", "loop.epochs=1", "trainer=cpu"]
    assert directory_name(varying(cell, constant)) == "epochs=1,seed=0,strategy=random,trainer=cpu"


def test_strategy_and_seed_are_named_though_they_do_not_vary() -> None:
    # Given with more seeds later, the sweep finds what it has finished.
    one = varying(["strategy=random", "seed=0"], constants(["strategy=random", "seed=0"]))
    two = varying(["strategy=random", "seed=0"], constants(["strategy=random", "seed=0,1"]))
    assert directory_name(one) == directory_name(two) == "seed=0,strategy=random"


def test_an_option_of_one_strategy_is_named_as_its_own() -> None:
    constant = constants(["strategy=badge,autoal", "+only_for.autoal.prior=null,1"])
    items = varying(["strategy=autoal", "strategy.prior=null"], constant)
    assert items == ["strategy.prior=null", "strategy=autoal"]


def test_keys_with_one_end_are_told_apart() -> None:
    assert directory_name(["a.lr=1", "b.lr=2", "c.wd=3"]) == "a.lr=1,b.lr=2,wd=3"


def test_fifteen_overrides_and_slashes() -> None:
    items = [f"loop.a_rather_long_key_number_{n}={n * 10**6}" for n in range(15)]
    name = directory_name(items)
    assert len(name.encode()) <= LONGEST
    assert name.startswith("a_rather_long_key_number_0=0,a_rather_long_key_number_1=1000000")
    other = directory_name([*items[:-1], "loop.a_rather_long_key_number_14=1"])
    assert name != other
    assert "/" not in directory_name(["+experiment=deepal/mnist"])
    assert directory_name(["+experiment=deepal/mnist"]) != directory_name(["+experiment=deepal_mnist"])


_ITEMS = st.lists(
    st.tuples(st.sampled_from(["a.b", "a.c", "d", "seed"]), st.text(max_size=60)).map("=".join),
    min_size=1,
    max_size=6,
)


@given(_ITEMS, _ITEMS)
def test_names_are_one_component_and_never_shared(one: list[str], two: list[str]) -> None:
    first, second = directory_name(one), directory_name(two)
    assert first not in ("", ".", "..")
    assert not set("/\0\n ") & set(first)
    assert len(first.encode(errors="replace")) <= LONGEST
    if one != two:
        # Keys are cut to their ends within one sweep, whose cells have the same keys.
        assert first != second or [i.partition("=")[0] for i in one] != [i.partition("=")[0] for i in two]
