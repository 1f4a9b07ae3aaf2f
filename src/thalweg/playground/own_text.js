"use strict";

// What is no formula of x and y, each fault with a sentence and its column: thalweg/formula/text.py once more, for a
// browser; a test holds the two to the same words.
//
//   OwnText.read(text) -> the formula as mathjs writes it; or an Error with a position, from 0, or null
const OwnText = (() => {
  const LONGEST = 1000, DEEPEST = 50;
  const NAMES = ["x", "y", "pi", "e"];
  // How many arguments each function takes, at least and at most.
  const FUNCTIONS = {
    abs: [1, 1], cos: [1, 1], cosh: [1, 1], exp: [1, 1], ln: [1, 1], log: [1, 1], log10: [1, 1], log2: [1, 1],
    max: [2, LONGEST], maximum: [2, LONGEST], min: [2, LONGEST], minimum: [2, LONGEST], sign: [1, 1], sin: [1, 1],
    sinh: [1, 1], sqrt: [1, 1], tan: [1, 1], tanh: [1, 1], where: [3, 3],
  };
  const COMPARISONS = ["<", ">", "<=", ">=", "==", "!="];
  const BLANK = " \t\r\n\u00a0";
  const TOKEN = /(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[A-Za-z_][A-Za-z_0-9]*|\*\*|[<>=!]=|[-+*/^(),<>]/y;

  const isFunction = (token) => Object.hasOwn(FUNCTIONS, token);
  const isNumber = (token) => /^[.0-9]/.test(token);

  function refuse(column, sentence) {
    throw Object.assign(new Error(sentence), { position: column ? column - 1 : null });
  }

  function misplaced(column) {
    const only = "expected a comparison as the first argument of where(condition, a, b) only";
    refuse(column, `${only}, got one at column ${column}`);
  }

  function read(text) {
    if (text.length > LONGEST) {
      refuse(0, `expected a function of at most ${LONGEST} characters, got ${text.length}: write a shorter one`);
    }
    const found = tokens(text);
    if (!found.length) refuse(0, "expected a function of x and y, got nothing: write for instance x**2 + 10*sin(y)");
    const inside = [opened(0, "", true)];
    let wants = true, before = "";
    for (const { token, column } of found) {
      checkPlace(before, token, column, wants);
      note(inside, before, token, column);
      wants = !(token === ")" || NAMES.includes(token) || isNumber(token));
      before = token;
    }
    checkEnd(inside, before, found.end, wants);
    return found.map(({ token }) => (token === "**" ? "^" : token.replace(/\.(?![0-9])/, ".0"))).join(" ");
  }

  // What is known inside a parenthesis that is still open: its column; whose arguments stand in it; whether it opened
  // at the beginning of an argument; commas so far; the column of the comparison in the current argument, and whether
  // that stands in parentheses of its own, after which the argument must end.
  function opened(column, name, whole) {
    return { column, name, whole, commas: 0, compared: 0, closed: false };
  }

  function tokens(text) {
    const found = [];
    let place = 0;
    found.end = 1;
    while (place < text.length) {
      TOKEN.lastIndex = place;
      const match = TOKEN.exec(text);
      if (match) {
        checkWord(match[0], place + 1);
        found.push({ token: match[0], column: place + 1 });
        found.end = TOKEN.lastIndex + 1;
      } else if (!BLANK.includes(text[place])) {
        strange(text, place);
      }
      place = match ? TOKEN.lastIndex : place + 1;
    }
    return found;
  }

  function strange(text, place) {
    const code = text.codePointAt(place), character = String.fromCodePoint(code);
    const hidden = /[\p{C}\p{Z}]/u.test(character);
    const shown = hidden ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : `'${character}'`;
    refuse(place + 1, `expected numbers, names and + - * / ** ( ) , < > only, got ${shown} at column ${place + 1}`);
  }

  function checkWord(token, column) {
    const shown = token.slice(0, 20);
    if (isNumber(token)) {
      if (Number(token) < Infinity) return;
      refuse(column, `expected a number below 1.8e308 at column ${column}, got '${shown}'`);
    } else if (/^[A-Za-z_]/.test(token) && !NAMES.includes(token) && !isFunction(token)) {
      const known = Object.keys(FUNCTIONS).join(", ");
      const sentence = `expected x, y, pi, e or a function at column ${column}, got '${shown}'`;
      refuse(column, `${sentence}: the functions are ${known}`);
    }
  }

  function checkPlace(before, token, column, wants) {
    if (isFunction(before) && token !== "(") {
      refuse(column, `expected '(' after '${before}' at column ${column}, got '${token}': write ${before}(...)`);
    }
    const begins = token === "(" || NAMES.includes(token) || isFunction(token) || isNumber(token);
    if (begins && !wants) {
      const sentence = `expected an operator between '${before}' and '${token}' at column ${column}`;
      refuse(column, `${sentence}: write ${before}*${token}`);
    }
    if (wants && !begins && token !== "+" && token !== "-") {
      refuse(column, `expected a number, x, y, a function or '(' at column ${column}, got '${token}'`);
    }
  }

  function note(inside, before, token, column) {
    const current = inside.at(-1);
    if (token === "(") {
      inside.push(opened(column, isFunction(before) ? before : "", ["", "(", ","].includes(before)));
      if (inside.length > DEEPEST + 1) {
        refuse(column, `expected at most ${DEEPEST} parentheses inside each other, got more at column ${column}`);
      }
    } else if (token === "," || token === ")") {
      endArgument(current, token, column);
      if (token === ")") close(inside.at(-2), inside.pop());
    } else if (current.closed || (COMPARISONS.includes(token) && current.compared)) {
      misplaced(current.compared);
    } else if (COMPARISONS.includes(token)) {
      current.compared = column;
    }
  }

  function endArgument(current, token, column) {
    if (token === ")" && !current.column) refuse(column, `expected no ')' at column ${column}: no '(' is open`);
    if (token === "," && !current.name) {
      const sentence = `expected no ',' at column ${column}: commas separate a function's arguments`;
      refuse(column, `${sentence}, and 1.5 has a point`);
    }
    const isCondition = current.name === "where" && current.commas === 0;
    if (current.name && current.compared && !isCondition) misplaced(current.compared);
    if (isCondition && !current.compared) {
      refuse(column, `expected a comparison such as x > 0 before column ${column}: write where(condition, a, b)`);
    }
    if (token === ",") Object.assign(current, { commas: current.commas + 1, compared: 0, closed: false });
  }

  function close(outer, { column, name, whole, commas, compared }) {
    if (name) {
      const [least, most] = FUNCTIONS[name], count = commas + 1;
      if (least <= count && count <= most) return;
      const wanted = `${least} argument${least > 1 ? "s" : ""}${most > least ? " or more" : ""}`;
      refuse(column, `expected ${wanted} of '${name}' in the parentheses at column ${column}, got ${count}`);
    } else if (compared) {
      if (!whole) misplaced(compared);
      Object.assign(outer, { compared, closed: true });
    }
  }

  function checkEnd(inside, last, column, wants) {
    if (isFunction(last)) {
      refuse(column, `expected '(' after '${last}' at column ${column}, got the end: write ${last}(...)`);
    }
    if (wants) refuse(column, `expected a number, x, y, a function or '(' at column ${column}, got the end`);
    const open = inside.at(-1);
    if (inside.length > 1) {
      refuse(column, `expected ')' at column ${column}, got the end: the '(' at column ${open.column} is still open`);
    }
    if (open.compared) misplaced(open.compared);
  }

  return { read, FUNCTIONS };
})();
