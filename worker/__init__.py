"""The work: taking jobs from the record, running their kinds, and writing down what came of it."""
