"""What mails lead back to, under `/t/`: the pixel, the links, and the page on which a person opts out.

`dispatch` calls `routes` in front of everything else. Whoever asks here has no key, only a token, and is answered
without the database as far as that is possible: `seen` waits for this machine's disk alone, `leaving` for the database
where something is to change.
"""
