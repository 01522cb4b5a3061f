"""The tables of the file of votes."""

from __future__ import annotations

VERSION = 2

SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE classes (position INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    # `needed` votes make enough; one request is open: the one that is shown. It is closed once the run has gone on with
    # its votes, and `enough` is how many were enough then
    """CREATE TABLE requests (
        id TEXT PRIMARY KEY, needed INTEGER NOT NULL, open INTEGER NOT NULL, closed INTEGER NOT NULL,
        enough INTEGER)""",
    # images that were ever asked about; `mix` is a hash that orders are made from
    """CREATE TABLE questions (
        id INTEGER PRIMARY KEY, request TEXT NOT NULL REFERENCES requests, digest TEXT NOT NULL, mix INTEGER NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, png BLOB NOT NULL, UNIQUE (request, digest))""",
    # the rows of each request as it was last put
    """CREATE TABLE asked (
        request TEXT NOT NULL REFERENCES requests, row INTEGER NOT NULL, question INTEGER NOT NULL REFERENCES questions,
        "group" INTEGER NOT NULL, PRIMARY KEY (request, row)) WITHOUT ROWID""",
    "CREATE INDEX asked_question ON asked (question)",
    # of links, only hashes are kept
    """CREATE TABLE annotators (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, seed INTEGER NOT NULL,
        invited INTEGER NOT NULL, link TEXT)""",
    # browsers that came by a link; of cookies, only hashes are kept
    """CREATE TABLE sessions (
        cookie TEXT PRIMARY KEY, annotator INTEGER NOT NULL REFERENCES annotators, at REAL NOT NULL) WITHOUT ROWID""",
    # what counts: one row for each image and annotator
    """CREATE TABLE votes (
        question INTEGER NOT NULL REFERENCES questions, annotator INTEGER NOT NULL REFERENCES annotators,
        answer INTEGER NOT NULL, way TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (question, annotator)) WITHOUT ROWID""",
    # what counted until somebody changed his mind
    """CREATE TABLE withdrawn (
        id INTEGER PRIMARY KEY, question INTEGER NOT NULL REFERENCES questions,
        annotator INTEGER NOT NULL REFERENCES annotators, answer INTEGER NOT NULL, way TEXT NOT NULL, at REAL NOT NULL,
        until REAL NOT NULL)""",
    # every image that is asked about, once, with the votes that it has and those that make enough
    """CREATE VIEW images AS
        SELECT questions.id, questions.request, digest, mix, width, height, min(row) AS row, "group", open, closed,
               (SELECT count(*) FROM votes WHERE question = questions.id) AS votes,
               coalesce(enough, (SELECT min(needed, count(*)) FROM annotators WHERE invited HAVING count(*)), needed)
                   AS needed
        FROM asked JOIN questions ON questions.id = question JOIN requests ON requests.id = questions.request
        GROUP BY questions.id""",
)  # fmt: skip
