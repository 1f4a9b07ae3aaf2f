"""From the outcomes of contrasts to a verdict, by a rule that is declared before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.claims.table import DEPENDS, FAILS, HOLDS, IN_PART, NONE, OPPOSES, SUPPORTS, UNDECIDED


@dataclass(frozen=True)
class Decision:
    """Which outcomes decide a sentence.

    Attributes:
        spare: How many settings may turn out otherwise, without opposing, and the sentence still holds; and how many
            may stay unclear and it still does not hold.
    """

    spare: int = 0

    def verdict(self, outcomes: Sequence[str], variable: str) -> str:
        """What the outcomes of all settings say.

        Args:
            outcomes: One per setting.
            variable: What differs between the settings; nothing if they are not meant to differ.

        Example:
            >>> Decision(spare=1).verdict(["supports", "supports", "none"], "problem")
            'holds'
            >>> [Decision().verdict(found, "problem") for found in (["supports", "opposes"], ["none", "opposes"])]
            ['depends', 'does not hold']
        """
        supports, opposes = outcomes.count(SUPPORTS), outcomes.count(OPPOSES)
        against = opposes + outcomes.count(NONE)
        needed = len(outcomes) - self.spare
        if supports and opposes:
            return DEPENDS if variable else UNDECIDED
        if supports and supports >= needed:
            return HOLDS
        if against and not supports and against >= needed:
            return FAILS
        return UNDECIDED

    def words(self, settings: int, variable: str) -> str:
        """The rule as the page prints it.

        Args:
            settings: How many there are.
            variable: What differs between them.
        """
        needed = settings - self.spare
        if settings == 1:
            return (
                "Holds if the interval lies above the threshold; does not hold if it lies below it, or within the "
                "margin that counts as no difference; else undecided."
            )
        of = f"all {settings}" if needed == settings else f"at least {needed} of {settings}"
        depends = (
            f"depends on {variable} if at least one setting supports it and at least one opposes it; "
            if variable
            else ""
        )
        return (
            f"Holds if {of} settings support it and none opposes it; does not hold if none supports it and {of} oppose "
            f"it or show no difference; {depends}else undecided."
        )


STRICT = Decision()  # no setting may turn out otherwise


def together(verdicts: Sequence[str]) -> str:
    """The verdict of a claim of several sentences: every one must be decided.

    All hold: it holds; none does: it does not hold; all depend: it depends; where they differ it holds in part.

    Example:
        >>> together(["holds", "does not hold"]), together(["holds", "undecided"]), together(["holds", "holds"])
        ('holds in part', 'undecided', 'holds')
    """
    kinds = set(verdicts)
    if not kinds or UNDECIDED in kinds:
        return UNDECIDED
    return kinds.pop() if len(kinds) == 1 else IN_PART


TOGETHER = (
    "The claim has several sentences: it holds if all hold, does not hold if none does, depends if all depend, "
    "and holds "
    "in part if they differ; it is undecided as long as one of them is. "
)
