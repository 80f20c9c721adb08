"""Is every behaviour of one network allowed by another, whose `choose` leaves several open?"""
