"""Side by side: several components of one role, at the same budget, on the same data, models, origins and seeds.

`entrants` reads what is to be compared, `plan` makes a run of each with each seed, `jobs` does them, `measures` says
what each came to, `intervals` and `landscape` put them together, `table` says it in numbers, and `conduct` does it all.
"""
