"use strict";

// A formula that was typed, as elements: only those of mathematics, with text inside, whatever the markup says.
const Markup = (() => {
  const MATHML = "http://www.w3.org/1998/Math/MathML";
  const ELEMENTS = new Set(["math", "mrow", "mi", "mn", "mo", "msup", "mfrac", "msqrt", "mtable", "mtr", "mtd",
    "mtext"]);
  const ATTRIBUTES = ["display", "mathvariant"];

  function formula(mathml) {
    return copied(new DOMParser().parseFromString(mathml, "application/xml").documentElement);
  }

  function copied(node) {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
    if (!ELEMENTS.has(node.localName)) return document.createTextNode("");
    const element = document.createElementNS(MATHML, node.localName);
    for (const name of ATTRIBUTES) if (node.hasAttribute(name)) element.setAttribute(name, node.getAttribute(name));
    element.append(...[...node.childNodes].map(copied));
    return element;
  }

  return { formula };
})();
