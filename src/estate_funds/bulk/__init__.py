"""Every household of a country: the columnar twin of `assess`, over files of any size.

What is here reads rows in Arrow batches, keeps a bounded part of them in memory, and gives the same answer for any
order of files, any size of batches and any number of workers; a plain twin says what that answer is.
"""
