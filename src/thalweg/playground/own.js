"use strict";

// One's own function of x and y: read as thalweg.formula.text reads it, with the same sentences; parsed by mathjs, its
// trees become a list of operations on numbers, never a script; differentiated by mathjs between its joints, and by the
// chain rule across them. Joints are abs, max, where and others that have the derivative of one side, or none; it is
// that of the side that is taken, as in thalweg.compile.gradient.
//
//   Own.parse(text) -> {value(x, y) -> f, gradient(x, y, out) -> out = [f, df/dx, df/dy], formula: MathML}
//
// or an Error whose message is a sentence and whose position is the column that it is about, from 0, or null.
const Own = (() => {
  const { parse: treeOf, derivative, FunctionNode, OperatorNode, SymbolNode } = mathjs;

  const MADE_OF = {
    cosh: "(exp(a) + exp(-a)) / 2", sinh: "(exp(a) - exp(-a)) / 2", tan: "sin(a) / cos(a)",
    tanh: "1 - 2 / (exp(2 * min(a, 350)) + 1)", log10: "log(a) / log(10)", log2: "log(a) / log(2)", ln: "log(a)",
  };
  const LARGEST = 24; // a larger tree is cut: the derivative of a product holds every factor again
  const OPERATIONS = ["+", "-", "*", "/", "^", "neg", "sqrt", "exp", "log", "sin", "cos", "abs", "sign", "max", "min",
    ">", "<", ">=", "<=", "==", "!=", "where"];
  const CODES = Object.fromEntries(OPERATIONS.map((name, code) => [name, code]));

  // C's power, which of 1 to any power is 1.
  function power(a, b) {
    return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
  }

  // The first operations of a list, one after the other, on the values in `at`. One loop with everything in it, for a
  // number that a function hands back costs more than its computation.
  function execute({ code, a, b, c, to }, end, at) {
    for (let k = 0; k < end; k++) {
      const p = at[a[k]], q = at[b[k]];
      switch (code[k]) {
        case 0: at[to[k]] = p + q; break;
        case 1: at[to[k]] = p - q; break;
        case 2: at[to[k]] = p * q; break;
        case 3: at[to[k]] = p / q; break;
        case 4: at[to[k]] = power(p, q); break;
        case 5: at[to[k]] = -p; break;
        case 6: at[to[k]] = Math.sqrt(p); break;
        case 7: at[to[k]] = Math.exp(p); break;
        case 8: at[to[k]] = Math.log(p); break;
        case 9: at[to[k]] = Math.sin(p); break;
        case 10: at[to[k]] = Math.cos(p); break;
        case 11: at[to[k]] = Math.abs(p); break;
        case 12: at[to[k]] = Math.sign(p) + 0; break;
        case 13: at[to[k]] = p > q ? p : p === p ? q : p; break;
        case 14: at[to[k]] = p < q ? p : p === p ? q : p; break;
        case 15: at[to[k]] = p > q ? 1 : 0; break;
        case 16: at[to[k]] = p < q ? 1 : 0; break;
        case 17: at[to[k]] = p >= q ? 1 : 0; break;
        case 18: at[to[k]] = p <= q ? 1 : 0; break;
        case 19: at[to[k]] = p === q ? 1 : 0; break;
        case 20: at[to[k]] = p !== q ? 1 : 0; break;
        default: at[to[k]] = p ? q : at[c[k]];
      }
    }
  }

  function folded(op, given) {
    const at = Float64Array.of(...given, 0);
    execute({ code: [CODES[op]], a: [0], b: [1], c: [2], to: [3] }, 1, at);
    return at[3];
  }

  // A list of operations. Every value has a place: x and y the first two, then numbers and results; equal ones share.
  function newList() {
    const list = { numbers: [NaN, NaN], known: new Map(), code: [], a: [], b: [], c: [], to: [] };
    list.number = (value) => placeOf(list, `${Object.is(value, -0) ? "-0" : value}`, () => value);
    list.do = (op, a, b = a, c = a) => {
      const given = [a, b, c].map((place) => list.numbers[place]);
      if (!given.some(Number.isNaN)) return list.number(folded(op, given));
      return placeOf(list, [op, a, b, c].join(), (place) => {
        [CODES[op], a, b, c, place].forEach((each, k) => [list.code, list.a, list.b, list.c, list.to][k].push(each));
        return NaN;
      });
    };
    return list;
  }

  function placeOf(list, key, added) {
    if (!list.known.has(key)) {
      list.known.set(key, list.numbers.length);
      list.numbers.push(added(list.numbers.length));
    }
    return list.known.get(key);
  }

  // Joints: the place of the value, and for each argument those of the derivative by it and of whether it is left out
  // altogether, as what is not taken may be infinite. Of a NaN no side is left out.
  const JOINTS = {
    same: (list, [a]) => [a, () => [[list.number(1), list.number(0)]]],
    sign: (list, [a]) => [list.do("sign", a), () => []],
    abs: (list, [a]) => [list.do("abs", a), () => [[list.do("sign", a), list.number(0)]]],
    max: (list, [a, b]) => {
      const one = list.number(1);
      return [list.do("max", a, b), () => [[one, list.do("<=", a, b)], [one, list.do(">", a, b)]]];
    },
    min: (list, [a, b]) => {
      const one = list.number(1);
      return [list.do("min", a, b), () => [[one, list.do(">=", a, b)], [one, list.do("<", a, b)]]];
    },
    where: (list, [left, right, a, b], op) => {
      const first = list.do(op, left, right), zero = list.number(0);
      const sides = () => [null, null, [list.number(1), list.do("==", first, zero)], [list.number(1), first]];
      return [list.do("where", first, a, b), sides];
    },
    "^": (list, [a, b]) => {
      const value = list.do("^", a, b), zero = list.number(0);
      return [value, () => [
        [list.do("*", b, list.do("^", a, list.do("-", b, list.number(1)))), list.do("==", b, zero)],
        [list.do("*", value, list.do("log", a)), list.do("==", value, zero)],
      ]];
    },
  };

  function parse(text) {
    const tree = treeOf(OwnText.read(text));
    const joints = [];
    joint("same", [lowered(tree, joints)], joints);
    return { ...evaluators(joints), formula: OwnFormula.mathml(tree) };
  }

  // A tree of what mathjs can differentiate, in which u0, u1, ... stand for the values of joints.
  function lowered(node, joints) {
    if (node.isParenthesisNode) return lowered(node.content, joints);
    if (!node.isOperatorNode && !node.isFunctionNode) return node;
    const name = node.isFunctionNode ? node.fn.name : node.op;
    if (name === "where") return branch(node, joints);
    const args = node.args.map((each) => lowered(each, joints));
    const made = spelled(node, name, args, joints);
    return made.filter(() => true).length > LARGEST ? joint("same", [made], joints) : made;
  }

  function spelled(node, name, args, joints) {
    if (name in MADE_OF) {
      const a = joint("same", args, joints);
      const whole = treeOf(MADE_OF[name]).transform((each) => (each.isSymbolNode && each.name === "a" ? a : each));
      return lowered(whole, joints);
    }
    if (name === "abs" || name === "sign") return joint(name, args, joints);
    if (/^(max|min)/.test(name)) return args.reduce((a, b) => joint(name.slice(0, 3), [a, b], joints));
    if (name === "^" && namesIn(args[1]).length) return joint("^", args, joints);
    if (node.isFunctionNode) return new FunctionNode(new SymbolNode(name), args);
    return new OperatorNode(node.op, node.fn, args);
  }

  function branch({ args: [condition, a, b] }, joints) {
    while (condition.isParenthesisNode) condition = condition.content;
    const args = [...condition.args, a, b].map((each) => lowered(each, joints));
    return joint("where", args, joints, condition.op);
  }

  function joint(kind, trees, joints, op) {
    joints.push({ kind, trees, op });
    return new SymbolNode(`u${joints.length - 1}`);
  }

  // The variables of a tree, and the joints' values in it.
  function namesIn(tree) {
    const names = tree.filter((each) => each.isSymbolNode && /^(x|y|u\d+)$/.test(each.name)).map((each) => each.name);
    return [...new Set(names)];
  }

  function evaluators(joints) {
    const list = newList(), values = { x: 0, y: 1, pi: list.number(Math.PI), e: list.number(Math.E) };
    const order = { x: 0, y: 1 };
    const sides = joints.map(({ kind, trees, op }, k) => {
      const [value, later] = JOINTS[kind](list, trees.map((tree) => walked(list, tree, values)), op);
      values[`u${k}`] = value;
      order[`u${k}`] = 2 + k;
      return later;
    });
    const until = list.code.length, last = values[`u${joints.length - 1}`];
    const links = joints.map(({ trees }, k) => linksOf(list, trees, sides[k](), values, order));
    const steps = Object.fromEntries(["code", "a", "b", "c", "to"].map((part) => [part, Int32Array.from(list[part])]));
    const at = Float64Array.from(list.numbers);

    function run(x, y, end) {
      at[0] = x; at[1] = y;
      execute(steps, end, at);
      return at[last];
    }

    const [byX, byY] = [0, 1].map((variable) => chained(links, at, variable));
    return {
      value: (x, y) => run(x, y, until),
      gradient(x, y, out = new Float64Array(3)) {
        out[0] = run(x, y, list.code.length);
        out[1] = byX();
        out[2] = byY();
        return out;
      },
    };
  }

  // For a joint what the chain rule adds up: a derivative by each name in each of its arguments.
  function linksOf(list, trees, sides, values, order) {
    return trees.flatMap((tree, i) => {
      if (!sides[i]) return [];
      const [by, skip] = sides[i];
      return namesIn(tree).map((name) => {
        const slope = operated(list, "*", by, walked(list, derivative(tree, name), values));
        return { slope, skip, from: order[name] };
      });
    });
  }

  // The chain rule through all joints, by x or by y. What does not depend on it hands on nothing, not 0 * Infinity.
  function chained(links, at, variable) {
    const d = new Float64Array(2 + links.length), has = new Uint8Array(2 + links.length);
    d[variable] = has[variable] = 1;
    return () => {
      for (let k = 0; k < links.length; k++) {
        let sum = 0, any = 0;
        const each = links[k];
        for (let i = 0; i < each.length; i++) {
          const { slope, skip, from } = each[i];
          if (has[from] && !at[skip]) { sum += at[slope] * d[from]; any = 1; }
        }
        d[2 + k] = sum;
        has[2 + k] = any;
      }
      return d[links.length + 1];
    };
  }

  // The place of a tree's value; what 0 and 1 leave as it is is not done.
  function walked(list, node, values) {
    if (node.isParenthesisNode) return walked(list, node.content, values);
    if (node.isConstantNode) return list.number(Number(node.value));
    if (node.isSymbolNode) return values[node.name];
    const args = node.args.map((each) => walked(list, each, values));
    if (node.isFunctionNode) return list.do(node.fn.name, args[0]);
    if (args.length === 1) return node.op === "-" ? list.do("neg", args[0]) : args[0];
    return args.reduce((a, b) => operated(list, node.op, a, b));
  }

  function operated(list, op, a, b) {
    const first = list.numbers[a], second = list.numbers[b];
    if ((op === "+" && first === 0) || (op === "*" && first === 1)) return b;
    if (second === (op === "+" || op === "-" ? 0 : 1)) return a;
    if (op === "^" && (second === 2 || second === 3 || second === 4)) {
      return Array(second - 1).fill(a).reduce((product) => list.do("*", product, a), a);
    }
    return list.do(op, a, b);
  }

  return { parse };
})();
