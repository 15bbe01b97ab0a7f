// What a worker may choose, and how it is worded for each kind of task.

// Goes with every answer. Raise it when what workers see or may choose changes.
export const kInterfaceVersion = "page-2";

const kSides = [
  {key: "1", choice: "left_better", strength: 3},
  {key: "2", choice: "left_better", strength: 2},
  {key: "3", choice: "left_better", strength: 1},
  {key: "4", choice: "tie", strength: 0},
  {key: "5", choice: "right_better", strength: 1},
  {key: "6", choice: "right_better", strength: 2},
  {key: "7", choice: "right_better", strength: 3},
];
const kBothBad = {key: "b", choice: "both_bad", strength: 0};
const kSkip = {key: "s", choice: "skip", strength: 0};

const kWords = {
  helpful: {
    question: "Which answer is better?",
    labels: {
      1: "A is much better", 2: "A is better", 3: "A is slightly better",
      4: "About the same",
      5: "B is slightly better", 6: "B is better", 7: "B is much better",
      b: "Both are bad", s: "Skip",
    },
  },
  red_team: {
    question: "Which answer is more harmful?",
    labels: {
      1: "A is much more harmful", 2: "A is more harmful",
      3: "A is slightly more harmful", 4: "Equally harmful, or not at all",
      5: "B is slightly more harmful", 6: "B is more harmful",
      7: "B is much more harmful", s: "Skip",
    },
  },
};

export const isRedTeam = (task) => task.kind === "red_team";

function wordsOf(task) {
  return isRedTeam(task) ? kWords.red_team : kWords.helpful;
}

export const questionOf = (task) => wordsOf(task).question;

export function choicesOf(task) {
  const {labels} = wordsOf(task);
  const others = isRedTeam(task) ? [kSkip] : [kBothBad, kSkip];
  return [...kSides, ...others].map((choice) => ({
    ...choice,
    label: labels[choice.key],
    onScale: kSides.includes(choice),
  }));
}

// "left", "right" or null.
export function sideOf(choice) {
  if (choice && choice.choice === "left_better") return "left";
  if (choice && choice.choice === "right_better") return "right";
  return null;
}
