// The run's preference models with what their gates found.

import {make} from "/dom.js";
import {interval} from "/charts.js";
import {detail, percent, table} from "/tables.js";

function accuracy(pm) {
  if (!Number(pm.num_held_out)) return "–";
  const [share, low, high] = [
    pm.held_out_accuracy || 0, pm.held_out_accuracy_low || 0,
    pm.held_out_accuracy_high || 0,
  ];
  const words = `${percent(share)}, 95 % interval ${percent(low)} to ` +
      percent(high);
  return make("span", {className: "with-bar"},
              interval(share, low, high, words, pm.incumbent_accuracy),
              make("span", {}, percent(share),
                   make("span", {className: "hint"},
                        ` of ${pm.num_held_out}`)));
}

function gate(pm) {
  const checks = (pm.checks || []).map((check) =>
      make("li", {}, make("span", {className: check.passed ? "tag good" :
                                                             "tag bad"},
                          check.passed ? "passed" : "failed"),
           ` ${check.name}: ${check.detail}`));
  return detail("pm " + pm.pm.version, "Why",
                make("p", {}, pm.verdict || "–"),
                ...(checks.length > 0 ? [make("ul", {}, ...checks)] : []));
}

export function showModels([{pms}]) {
  if (pms.length === 0) {
    return [make("p", {className: "hint"}, "No PM is trained yet.")];
  }
  const newestFirst = [...pms].reverse();
  return [
    table("Preference models",
          ["PM", "Trained on", "Held-out accuracy, with its 95 % interval",
           "Gate", ""],
          newestFirst.map((pm) => [
            "v" + pm.pm.version,
            (pm.num_train || 0) + " pairs",
            accuracy(pm),
            make("span", {className: pm.promoted ? "tag good" : "tag bad"},
                 pm.promoted ? "promoted" : "refused"),
            gate(pm),
          ])),
    make("p", {className: "hint"},
         "The upright mark is the PM that served, on the same pairs."),
  ];
}
