"""What a requester's page shows where the run itself has too little."""

from page_case import reply_with

PMS = [
    {"pm": {"version": "1"}, "num_train": "117", "num_held_out": "24",
     "held_out_accuracy": .583, "held_out_accuracy_low": .388,
     "held_out_accuracy_high": .755, "promoted": True,
     "verdict": "promoted: no PM serves yet"},
    {"pm": {"version": "2"}, "num_train": "431", "num_held_out": "103",
     "held_out_accuracy": .699, "held_out_accuracy_low": .604,
     "held_out_accuracy_high": .779, "incumbent_accuracy": .612,
     "promoted": True, "verdict": "promoted: 8.7 points better",
     "checks": [
         {"name": "accuracy", "passed": True,
          "detail": "72 of 103 held-out pairs right (69.9 %), minimum 50 %"},
         {"name": "incumbent", "passed": True,
          "detail": "the serving PM got 63 right"}]},
    {"pm": {"version": "3"}, "num_train": "790", "num_held_out": "188",
     "held_out_accuracy": .638, "held_out_accuracy_low": .567,
     "held_out_accuracy_high": .703, "incumbent_accuracy": .702,
     "verdict": "refused: accuracy fell by 6.4 points, at most 3.0 allowed",
     "checks": [
         {"name": "accuracy", "passed": True,
          "detail": "120 of 188 held-out pairs right (63.8 %)"},
         {"name": "incumbent", "passed": False,
          "detail": "change -6.4 points, limit -3.0"}]},
]
WORKERS = [
    {"worker_id": "ada", "answers": 412, "gold_answers": 31,
     "gold_correct": 29, "verdict": "good", "left_share": .51,
     "median_seconds": 34.2, "agreement": .81, "paused": False},
    {"worker_id": "بدر", "answers": 268, "gold_answers": 22,
     "gold_correct": 18, "verdict": "undecided", "left_share": .47,
     "median_seconds": 27.9, "agreement": .76, "paused": False},
    {"worker_id": "cyd", "answers": 57, "gold_answers": 12,
     "gold_correct": 5, "verdict": "bad", "left_share": .93,
     "median_seconds": 2.1, "agreement": .52, "paused": True},
]
AGREEMENT = {"kappa": .58, "alpha": .61, "pairs": 204, "copies": [
    {"copier": "cyd", "source": "ada", "shared": 41, "equal": 40,
     "explained": .74, "p_value": .0001}]}
BATCHES = {"batches": [
    {"batch_id": "2026-11-27/3", "source": "import:prolific.csv",
     "state": "quarantined", "received_unix_ms": 1795755600000,
     "comparisons": 340,
     "report": {"too_fast_share": .31, "limit": .2}},
    {"batch_id": "2026-11-27/2", "source": "import:hh.jsonl",
     "state": "accepted", "received_unix_ms": 1795752000000,
     "comparisons": 1200,
     "report": {"comparisons": 1200}},
    {"batch_id": "2026-11-27/1", "source": "import:broken.csv",
     "state": "refused", "received_unix_ms": 1795748400000,
     "comparisons": 56,
     "report": {"malformed_share": .44, "limit": .2}},
]}


ELO = {"counted_seq": 204, "zero": 0, "games": 43, "undecided": 3,
       "one_version": 158, "unknown_version": 0, "players": [
    {"version": 0, "games": 40, "wins": 10, "placement": "rated", "elo": 0,
     "low": 0, "high": 0},
    {"version": 4, "games": 43, "wins": 30, "placement": "rated",
     "elo": 190.85, "low": 66.5, "high": 315.2},
    {"version": 7, "games": 3, "wins": 3, "placement": "above"}]}


def serve_made_up(page):
    """Answers what the run itself cannot."""
    for name, data in (("workers", WORKERS), ("agreement", AGREEMENT),
                       ("batches", BATCHES), ("elo", ELO)):
        page.route(f"**/api/{name}", reply_with(data))
