"""Which faults strike when: drawn from a seed, before anything runs."""

import dataclasses
import random

ROLES = ("learner", "actor", "reward-server", "refresher", "feedback", "crowd")
# What is done to a role.
ROLE_KINDS = ("kill", "stop", "second")
# What is done to the run as a whole.
RUN_KINDS = ("pause", "set", "checkpoint", "import", "retract", "promote",
             "rollback", "repeat", "garbage")
DECK = ([(kind, role) for kind in ROLE_KINDS for role in ROLES] +
        [(kind, "") for kind in RUN_KINDS])
# How long a process is stopped and a learner paused, seconds.
SHORTEST, LONGEST = 2, 5


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault, known before the run begins."""
    number: int
    at: float  # seconds after the faults begin
    kind: str
    role: str  # "" if it strikes no role
    seconds: float  # of a stop or a pause
    pick: float  # in [0, 1): which version, which value

    def __str__(self):
        return f"{self.kind} {self.role}".strip()


def draw(seed, minutes, every):
    """A fault every `every` seconds of `minutes`. Each pair of kind and role
    comes once before any comes again."""
    random_ = random.Random(seed)
    faults, deck = [], []
    for number in range(int(minutes * 60 // every)):
        if not deck:
            deck = random_.sample(DECK, len(DECK))
        kind, role = deck.pop()
        faults.append(Fault(number + 1, number * every, kind, role,
                            round(random_.uniform(SHORTEST, LONGEST), 1),
                            random_.random()))
    return faults
