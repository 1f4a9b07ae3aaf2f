"use strict";

// What the page calls a rule or a surface: the spelling of its paper where there is one, its name elsewhere.
const Labels = (() => {
  const WORDS = new Map(Object.entries({
    sgd: "SGD", asgd: "ASGD", adagrad: "AdaGrad", rmsprop: "RMSProp", adadelta: "AdaDelta", adam: "Adam",
    adamw: "AdamW", adamax: "AdaMax", nadam: "NAdam", radam: "RAdam", amsgrad: "AMSGrad", adabelief: "AdaBelief",
    ademamix: "AdEMAMix", adopt: "ADOPT", ftrl: "FTRL", irprop: "iRprop",
  }));

  function of(name) {
    const words = name.split("_").map((word) => WORDS.get(word) || word).join(" ");
    return words.startsWith("iR") ? words : words.charAt(0).toUpperCase() + words.slice(1);
  }

  return { of };
})();
