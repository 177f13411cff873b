"""The pages for people: rendered here, usable without scripts, by keyboard and on a phone.

Each module holds the pages of one noun as `router`. What a page does it does by the functions of the REST interface, so
that there is one way of doing it.
"""
