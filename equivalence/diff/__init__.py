"""What a change does to traffic: the classes of packets whose treatment it alters, each with an
example; or a proof that there are none."""
