// Elo of the policies, by what people chose.

import {make} from "/dom.js";
import {table} from "/tables.js";

const signed = (value) => (value > 0 ? "+" : "") + value.toFixed(0);

// Why a policy has no rating, in few words.
const kUnrated = {
  above: "above: it won, and was never beaten back",
  below: "below: it lost, and never won back",
  undetermined: "undetermined",
  "not connected": "not compared with the others",
};

function rating(player, zero) {
  if (player.version === zero) return "0";
  if (player.placement !== "rated") return kUnrated[player.placement] || "–";
  return `${signed(player.elo)} [${signed(player.low)}, ` +
      `${signed(player.high)}]`;
}

export function showElo([elo]) {
  if (elo.players.length === 0) {
    return [make("p", {className: "hint"},
                 "No two policies were compared yet.")];
  }
  return [
    table("Elo", ["Policy", `Elo above v${elo.zero}, with its 95 % interval`,
                  "Games", "Won"],
          [...elo.players].reverse().map((player) => [
            "v" + player.version, rating(player, elo.zero),
            String(player.games), String(player.wins),
          ])),
    make("p", {className: "hint"},
         `By people's choices between two policies: ${elo.games} decided, ` +
         `${elo.undecided} not. ${elo.one_version} more were of one policy ` +
         `with itself, ${elo.unknown_version} of policies not known.`),
  ];
}
