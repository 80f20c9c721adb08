"""Why a verdict is what it is: where two models part, which of their lines do the same, and what a
proof lacks."""
