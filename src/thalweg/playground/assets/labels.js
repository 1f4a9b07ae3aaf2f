"use strict";

// What the page calls a rule: the spelling of its paper where there is one, its name in the catalogue elsewhere.
const Labels = (() => {
  const WORDS = {
    sgd: "SGD", asgd: "ASGD", adagrad: "AdaGrad", rmsprop: "RMSProp", adadelta: "AdaDelta", adam: "Adam",
      adamw: "AdamW",
    adamax: "AdaMax", nadam: "NAdam", radam: "RAdam", amsgrad: "AMSGrad", adabelief: "AdaBelief", ademamix: "AdEMAMix",
    adopt: "ADOPT", ftrl: "FTRL", irprop: "iRprop",
  };

  function of(name) {
    const words = name.split("_").map((word) => WORDS[word] || word).join(" ");
    return words.charAt(0) === "i" && name.startsWith("irprop") ? words : words.charAt(0).toUpperCase() +
      words.slice(1);
  }

  return { of };
})();
