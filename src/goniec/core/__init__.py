"""The core: what Goniec decides and which bytes it makes, as plain structs and functions.

Everything above may call it. It imports nothing of Goniec but itself, and knows no clock, randomness, input, output,
logging or async: the time, fresh ids and jitter are arguments. So replay, dry runs, explanations and tests call the
very same functions.
"""
