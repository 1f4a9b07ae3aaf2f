// What the browser page needs of mathjs: the parser, the nodes that it makes of a formula, and the derivative.
//
// Nothing here can evaluate: the nodes are given empty tables of functions, and what would be a matrix, an object, an
// assignment, a range or an access to a property has no node at all.
import {
  createConstantNode,
  createDerivative,
  createFunctionNode,
  createNode,
  createOperatorNode,
  createParenthesisNode,
  createParse,
  createSymbolNode,
  createTyped,
} from "mathjs/number";

function refused(name) {
  return class {
    constructor() {
      throw new SyntaxError(`A formula has no ${name}`);
    }
  };
}

const OTHERS = [
  "AccessorNode", "ArrayNode", "AssignmentNode", "BlockNode", "ConditionalNode", "FunctionAssignmentNode",
  "IndexNode", "ObjectNode", "RangeNode", "RelationalNode",
];

const given = {
  config: { number: "number", numberFallback: "number", relTol: 1e-12, absTol: 1e-15 },
  math: {},
  mathWithTransform: {},
  numeric: (value) => Number(value),
  isBounded: Number.isFinite,
  isZero: (value) => value === 0,
  equal: (a, b) => a === b,
  simplify: () => { throw new Error("not bundled: call derivative with { simplify: false }"); },
  ...Object.fromEntries(OTHERS.map((name) => [name, refused(name)])),
};
given.typed = createTyped(given);
given.Node = createNode(given);
given.ConstantNode = createConstantNode(given);
given.SymbolNode = createSymbolNode(given);
given.ParenthesisNode = createParenthesisNode(given);
given.OperatorNode = createOperatorNode(given);
given.FunctionNode = createFunctionNode(given);
given.parse = createParse(given);
given.derivative = createDerivative(given);

const { parse, ConstantNode, FunctionNode, OperatorNode, ParenthesisNode, SymbolNode } = given;
const derivative = (node, name) => given.derivative(node, name, { simplify: false });

export { parse, derivative, ConstantNode, FunctionNode, OperatorNode, ParenthesisNode, SymbolNode };
