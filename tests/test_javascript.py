"""The JavaScript printer, without a browser: what it writes for rules and surfaces, and names that it must change."""

import re

import pytest

from catalogue import EVERY_RULE
from thalweg.commands.catalogue import Form
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.javascript import RESERVED, SPELLING, source
from thalweg.compile.program import ELEMENTARY, Line, Program
from thalweg.compile.show import FORMS, shown
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.errors import FormulaError
from thalweg.formula import Rule, log, maximum, minimum, rule, sign, sqrt, where
from thalweg.formula.surface import Surface
from thalweg.playground import functions
from thalweg.playground.catalogue import rule_entry, script, surface_entry
from thalweg.rules import RULES
from thalweg.rules.decay import l2
from thalweg.surfaces import SURFACES

EVERY = pytest.mark.parametrize("each", EVERY_RULE, ids=lambda r: r.name)


def test_adam_reads_like_its_program():
    assert source(trace(RULES["adam"])) == "\n".join(
        (
            "function adam(x, g, t, m, v, { lr, beta1, beta2, eps }) {",
            "  // once per step",
            "  const s1 = 1 - beta1;",
            "  const s2 = 1 - beta2;",
            "  const s3 = Math.pow(beta1, t);",
            "  const s4 = 1 - s3;",
            "  const s5 = Math.pow(beta2, t);",
            "  const s6 = 1 - s5;",
            "  // once per element",
            "  const a1 = beta1 * m;",
            "  const a2 = s1 * g;",
            "  const m_new = a1 + a2;",
            "  const a3 = beta2 * v;",
            "  const a4 = g * g;",
            "  const a5 = s2 * a4;",
            "  const v_new = a3 + a5;",
            "  const m_hat = m_new / s4;",
            "  const v_hat = v_new / s6;",
            "  const a6 = lr * m_hat;",
            "  const a7 = Math.sqrt(v_hat);",
            "  const a8 = a7 + eps;",
            "  const a9 = a6 / a8;",
            "  const x_new = x - a9;",
            "  return [x_new, m_new, v_new];",
            "}",
            "",
        )
    )


def test_a_point_takes_what_it_reads_and_a_surface_its_coordinates():
    point, weights = trace_point(RULES["nesterov_lookahead"]), trace_evaluation(RULES["schedule_free_sgd"])
    assert point and source(point).startswith("function nesterov_lookahead(x, v, { lr, mu }) {\n")
    assert weights and "  const s1 = 1 / beta;\n" in source(weights)
    text = source(trace_gradient(SURFACES["waves"]))
    assert text.startswith("function waves(x, y) {\n") and text.endswith("  return [f, f_x, f_y];\n}\n")


def test_every_operation_has_a_spelling():
    assert set(ELEMENTARY) <= set(SPELLING)


def test_an_operation_without_one_is_refused():
    program = Program("odd", ("x",), (), (), (Line("x_new", "erf", ("x",)),), ("x_new",), ("x",), frozenset())
    with pytest.raises(FormulaError, match="rule 'odd' uses 'erf', which the backend 'javascript' cannot spell"):
        source(program)


@rule("nowhere")
def delete(x, g, t, typeof, *, lr=0.1, function=0.9, this=2.0):
    var = maximum(typeof, abs(g)) + minimum(function, g)
    let = where(g == 0, var, sign(g)) - where(g != 0, var, 1e300)
    return x - lr * let / (1 + t**this), sqrt(var)


@pytest.mark.parametrize("word", ["delete", "typeof", "function", "this", "var", "let"])
def test_reserved_words_are_renamed_everywhere(word):
    text = source(trace(delete))
    assert word in RESERVED and f"{word}_" in text
    assert not re.search(rf"\b{word}\b", text.replace("function delete_(", "(", 1))


def test_a_word_in_the_page_keeps_its_name_as_a_key():
    assert '"typeof": typeof_' in functions.inside(delete) and '"this":2' in rule_entry(delete)["hyper"]


def test_powers_are_cs_where_javascript_has_others():
    @rule("nowhere", initial={"c": 1.0}, scalars=("c",))
    def powers(x, g, t, c, *, lr=0.1, p=2.0):
        return x - lr * g * c**t * 0.5**c * c**0.5 * c**p * log(c), c

    text = source(trace(powers))
    assert {"= Math.pow(c, t);", "= Math.pow(0.5, c);", "= Math.pow(c, 0.5);"} <= set(re.findall(r"= Math.pow.*", text))
    assert "c === 1 || (c === -1 && Math.abs(p) === Infinity) ? 1 : Math.pow(c, p);" in text


def test_numbers_read_back_to_the_same_double():
    odd = (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 1e16, 123456789012345680.0, -0.0, -2.5e-7)

    @rule("nowhere")
    def many(x, g, t, *, lr=0.1):
        for number in odd:
            x = x + number * (lr * g)
        return x

    written = re.findall(r"= (\S+) \* a1;", source(trace(many)))
    assert [repr(float(text)) for text in written] == [repr(number) for number in odd]


@EVERY
def test_every_name_is_declared_before_it_is_read_and_once(each: Rule):
    for program in filter(None, (trace(each), trace_point(each), trace_evaluation(each))):
        head, *lines = source(program).splitlines()
        known = set(re.findall(r"\w+", head.split("(", 1)[1]))
        for line in lines:
            if made := re.match(r"  const (\w+) = (.*);$", line):
                assert names_in(made[2]) <= known, line
                assert made[1] not in known, line
                known.add(made[1])
            elif line.startswith("  return"):
                assert names_in(line.removeprefix("  return")) <= known


@EVERY
def test_the_pages_functions_read_only_what_they_declared(each: Rule):
    entry = rule_entry(each)
    for name in ("once", "element", "inside", "point", "evaluation"):
        if entry[name] == "null":
            assert (each.point if name == "point" else each.evaluation) is None
            continue
        head, *lines, _ = entry[name].splitlines()
        known = set(re.findall(r"\w+", head))
        for line in lines:
            assert names_in(line.replace("const ", "").replace("return ", "")) <= known | declared(line), (name, line)
            known |= declared(line)


def declared(line: str) -> set[str]:
    return set(re.findall(r"(\w+) = ", line)) if line.startswith("const ") else set()


def names_in(text: str) -> set[str]:
    """The names that an expression reads; keys of an object and properties are none."""
    text = re.sub(r'"\w+":|Math\.\w+|\bNaN\b|\bInfinity\b', " ", text)
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))


@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
def test_every_surface_is_printed(surface: Surface):
    entry = surface_entry(surface)
    assert entry["gradient"].count("out_[") == 3 and "return " in entry["value"]
    assert entry["window"].startswith("[[") and "<math " in entry["formula"]


def test_hostile_text_cannot_leave_the_script():
    @rule("</script><script>alert(1)</script>")
    def hostile(x, g, t, *, lr=0.1):
        return x - lr * g

    assert "</script" not in script([hostile], [])


def test_show_prints_it():
    assert tuple(form.value for form in Form) == FORMS and "javascript" in FORMS
    text = shown(l2(RULES["adam"]), "javascript")
    assert text.startswith("function l2_adam(x, g, t, m, v, { lr, beta1, beta2, eps, decay }) {\n")
    assert shown(RULES["sgd"], "javascript").endswith("  return x_new;\n}\n")
