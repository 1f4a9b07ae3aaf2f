"use strict";

// A formula that mathjs parsed, as MathML, which browsers draw by themselves.
const OwnFormula = (() => {
  const SIGNS = { "*": "", "-": "−", ">=": "≥", "<=": "≤", "==": "=", "!=": "≠", "<": "&lt;", ">": "&gt;" };
  const HOLDS = { SUM: 1, NEGATIVE: 2, PRODUCT: 3, POWER: 4, ATOM: 5 };
  const SHORT = { maximum: "max", minimum: "min", ln: "log" };

  const row = (...parts) => `<mrow>${parts.join("")}</mrow>`;
  const sign = (text) => `<mo>${text}</mo>`;
  const name = (text) => `<mi${text.length > 1 ? ' mathvariant="normal"' : ""}>${text}</mi>`;

  function mathml(tree) {
    const point = inParentheses(name("x") + sign(",") + name("y"));
    return `<math display="block">${row(name("f"), point, sign("="), text(tree))}</math>`;
  }

  const text = (node) => spelled(node)[0];
  const inParentheses = (inner) => row(sign("("), inner, sign(")"));

  function atLeast(binding, node) {
    const [shown, holds] = spelled(node);
    return holds >= binding ? shown : inParentheses(shown);
  }

  // How a node is written, and how tightly that holds together.
  function spelled(node) {
    if (node.isParenthesisNode) return spelled(node.content);
    if (node.isConstantNode) return [number(Number(node.value)), HOLDS.ATOM];
    if (node.isSymbolNode) return [name(node.name === "pi" ? "π" : node.name), HOLDS.ATOM];
    if (node.isFunctionNode) return applied(node.fn.name, node.args);
    return operated(node.op, node.args);
  }

  function number(value) {
    const [digits, exponent] = String(value).split("e");
    if (exponent === undefined) return `<mn>${digits}</mn>`;
    const power = exponent.replace("+", "").replace("-", "−");
    return row(`<mn>${digits}</mn>`, sign("·"), `<msup><mn>10</mn><mn>${power}</mn></msup>`);
  }

  function operated(op, args) {
    if (args.length === 1) {
      return op === "-" ? [row(sign("−"), atLeast(HOLDS.PRODUCT, args[0])), HOLDS.NEGATIVE] : spelled(args[0]);
    }
    const [a, b] = args;
    if (op === "/") return [`<mfrac>${row(text(a))}${row(text(b))}</mfrac>`, HOLDS.PRODUCT];
    if (op === "^") return [`<msup>${row(atLeast(HOLDS.ATOM, a))}${row(text(b))}</msup>`, HOLDS.POWER];
    if (op === "*") return [product(a, b), HOLDS.PRODUCT];
    const isSum = op === "+" || op === "-", holds = isSum ? HOLDS.SUM : 0;
    return [row(atLeast(HOLDS.SUM, a), sign(SIGNS[op] ?? op), atLeast(isSum ? HOLDS.PRODUCT : HOLDS.SUM, b)), holds];
  }

  function product(a, b) {
    const second = atLeast(HOLDS.PRODUCT, b), digits = /^(<mrow>|<msup>)*<mn>/.test(second);
    return row(atLeast(HOLDS.NEGATIVE, a), sign(digits ? "·" : "\u2062"), second);
  }

  function applied(called, args) {
    const shown = SHORT[called] || called;
    if (shown === "sqrt") return [`<msqrt>${text(args[0])}</msqrt>`, HOLDS.ATOM];
    if (shown === "abs") return [row(sign("|"), text(args[0]), sign("|")), HOLDS.ATOM];
    if (shown === "exp") return [`<msup>${name("e")}${row(text(args[0]))}</msup>`, HOLDS.POWER];
    if (shown === "where") return [cases(args), 0];
    return [row(name(shown), sign("\u2061"), inParentheses(args.map(text).join(sign(",")))), HOLDS.POWER];
  }

  function cases([condition, a, b]) {
    const line = (value, words) => `<mtr><mtd>${value}</mtd><mtd>${words}</mtd></mtr>`;
    const first = line(text(a), row("<mtext>if\u00a0</mtext>", text(condition)));
    const second = line(text(b), "<mtext>otherwise</mtext>");
    return row(sign("{"), `<mtable columnalign="left left">${first}${second}</mtable>`);
  }

  return { mathml };
})();
