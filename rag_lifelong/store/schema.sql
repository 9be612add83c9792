-- The knowledge base on disk. SQLite is the truth; every other file can be made again from it.
--
-- Alive at version v  <=>  born <= v AND (died IS NULL OR died > v). `born` and `died` are version numbers.
-- Ids are given once (AUTOINCREMENT) and never reused. Times are milliseconds since 1970, UTC.
-- Digests are 16 bytes of BLAKE2b. auto_vacuum and journal mode are set before this script runs (database.py).

-- Facts about the knowledge base itself: id, created_ms, embedder_id, embedder_to_come_id, analyzer_version, …
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The knowledge base after its n-th change.
CREATE TABLE versions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms         INTEGER NOT NULL,
    cause         TEXT NOT NULL,     -- what made it, for people: "add ~/notes", "forget old.md"
    source        TEXT NOT NULL CHECK (source IN ('command', 'watch')),  -- asked for by a person, or seen on disk
    undoes        INTEGER REFERENCES versions (id),  -- the version it took back, if it is an undo
    added         INTEGER NOT NULL,  -- documents
    changed       INTEGER NOT NULL,
    moved         INTEGER NOT NULL,
    removed       INTEGER NOT NULL,
    passages_born INTEGER NOT NULL,
    passages_died INTEGER NOT NULL
);

-- What the index must follow, in order: it carries the position up to which it has.
CREATE TABLE changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL CHECK (kind IN ('version', 'vectors', 'pruned')),
    first_id INTEGER NOT NULL,  -- first and last id concerned: a version, or a run of vectors
    last_id  INTEGER NOT NULL
);

-- Folders given by the user. Paths below are relative to them, so a folder that moved is one change.
CREATE TABLE roots (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    path           TEXT NOT NULL UNIQUE,  -- absolute
    is_whole       INTEGER NOT NULL,      -- 1: all files below it; 0: only the files named one by one
    compared_ms    INTEGER,               -- when it was last compared with the disk; NULL: never
    following      TEXT NOT NULL DEFAULT 'added' CHECK (following IN ('added', 'followed', 'left')),
                                          -- followed: it was watched once; left: `unfollow`
    uses_gitignore INTEGER NOT NULL DEFAULT 0,  -- its own .gitignore counts too
    follows_links  INTEGER NOT NULL DEFAULT 0,  -- links in it are read
    blocked        TEXT,                  -- why a comparison was not carried out, for people; NULL: it was
    queued         INTEGER NOT NULL DEFAULT 0   -- files its watcher has seen change and not yet read
);

-- Who follows a root. The lock that says whether that process still lives is a file, released by the system.
CREATE TABLE leases (
    root_id  INTEGER PRIMARY KEY REFERENCES roots (id),
    pid      INTEGER NOT NULL,
    host     TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    way      TEXT NOT NULL             -- "events", or "polling every 10 s: …" and why
);

-- What stands on disk, as last seen: one row a file known, readable or not.
CREATE TABLE files (
    root_id     INTEGER NOT NULL REFERENCES roots (id),
    path        TEXT NOT NULL,     -- relative to the root, "/" between parts
    size_bytes  INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    digest      BLOB,              -- of the bytes; NULL if they could not be read
    document_id INTEGER REFERENCES documents (id),  -- NULL: it did not become a document, or was taken out
    failure     TEXT,              -- why not, for people
    failed_ms   INTEGER,           -- since when
    tried_ms    INTEGER,           -- when it was tried last
    tries       INTEGER NOT NULL DEFAULT 0,
    container   TEXT,              -- the file on disk that this one is in; NULL: it stands on disk itself
    failed_by   TEXT,              -- which parsers and limits could not read it: others try again
    PRIMARY KEY (root_id, path)
) WITHOUT ROWID;
CREATE INDEX files_look ON files (mtime_ns, size_bytes);
CREATE INDEX files_failed ON files (root_id, path) WHERE failure IS NOT NULL;

-- Paths where the user has decided otherwise than the disk (forget, undo): left as they are until the bytes on
-- disk are others, or the path is added by name.
CREATE TABLE holds (
    root_id INTEGER NOT NULL REFERENCES roots (id),
    path    TEXT NOT NULL,
    digest  BLOB,               -- of the bytes on disk that are held; NULL: there was no file
    named   TEXT NOT NULL,      -- the absolute path that `forget` was given: adding it, or one below, ends the hold
    cause   TEXT NOT NULL CHECK (cause IN ('forget', 'undo')),
    version INTEGER NOT NULL REFERENCES versions (id),  -- the version that decided so
    PRIMARY KEY (root_id, path)
) WITHOUT ROWID;

-- Identity only: two files with equal text are two documents.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT
);

-- Where a document stood, and when. A move ends one row and begins another.
CREATE TABLE locations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    root_id     INTEGER NOT NULL REFERENCES roots (id),
    path        TEXT NOT NULL,
    born        INTEGER NOT NULL REFERENCES versions (id),
    died        INTEGER REFERENCES versions (id)
);
CREATE UNIQUE INDEX locations_live ON locations (root_id, path) WHERE died IS NULL;
CREATE INDEX locations_path ON locations (root_id, path, born);
CREATE INDEX locations_document ON locations (document_id, born);

-- A document's text at some versions, with one layout. The newest is packed as it is, older ones as what differs from
-- the one that followed (packing.py).
CREATE TABLE revisions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id     INTEGER NOT NULL REFERENCES documents (id),
    digest          BLOB NOT NULL,     -- of the file's bytes
    size_bytes      INTEGER NOT NULL,  -- of the file
    file_ms         INTEGER NOT NULL,  -- the file's own time of last change when it was read
    title           TEXT NOT NULL,     -- "" if it has none
    dated           TEXT,              -- ISO date the document itself bears
    fields          TEXT NOT NULL,     -- JSON [[name, value, start|null, end|null], …], the document's header
    marks           BLOB NOT NULL,     -- packed JSON [[gap, kind, label, level], …], the place names in it, in order
    is_source       INTEGER NOT NULL,  -- 1: the text is the file's own, line for line
    parser          TEXT NOT NULL,     -- which parser and chunker made it, with their numbers
    parser_version  INTEGER NOT NULL,
    chunker_version INTEGER NOT NULL,
    text            BLOB NOT NULL,     -- packed UTF-8
    layout          BLOB NOT NULL,     -- packed JSON of where its passages stand, by columns (documents.py)
    base_id         INTEGER REFERENCES revisions (id)  -- what marks, text and layout are told against; NULL: nothing
);
CREATE INDEX revisions_base ON revisions (base_id) WHERE base_id IS NOT NULL;
CREATE INDEX revisions_document ON revisions (document_id, digest);
CREATE INDEX revisions_digest ON revisions (digest);

CREATE TABLE revision_lives (
    revision_id INTEGER REFERENCES revisions (id),  -- NULL: pruned, that it was there is all that is known
    document_id INTEGER NOT NULL REFERENCES documents (id),
    born        INTEGER NOT NULL REFERENCES versions (id),
    died        INTEGER REFERENCES versions (id),
    PRIMARY KEY (document_id, born)
) WITHOUT ROWID;

-- What the user decided about one document taking the place of another.
CREATE TABLE supersessions (
    old_id   INTEGER NOT NULL REFERENCES documents (id),
    new_id   INTEGER NOT NULL REFERENCES documents (id),
    decision TEXT NOT NULL CHECK (decision IN ('confirmed', 'rejected')),
    evidence TEXT NOT NULL,  -- for people, as it was suggested
    born     INTEGER NOT NULL REFERENCES versions (id),
    died     INTEGER REFERENCES versions (id),
    PRIMARY KEY (old_id, new_id, born)
) WITHOUT ROWID;
CREATE INDEX supersessions_born ON supersessions (born);
CREATE INDEX supersessions_new ON supersessions (new_id);

-- A text kept for a document: the k-th occurrence of that text in it, wherever it stands. Texts embedded alike are one.
CREATE TABLE passages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    digest      BLOB NOT NULL,     -- of the exact string embedded (context, then text; never a path)
    occurrence  INTEGER NOT NULL,  -- 0, 1, … among equal texts of the document
    terms       INTEGER NOT NULL,  -- its length in search terms, for BM25
    UNIQUE (document_id, digest, occurrence)
);
CREATE INDEX passages_digest ON passages (digest);

CREATE TABLE passage_lives (
    passage_id INTEGER NOT NULL REFERENCES passages (id),
    born       INTEGER NOT NULL REFERENCES versions (id),
    died       INTEGER REFERENCES versions (id),
    PRIMARY KEY (passage_id, born)
) WITHOUT ROWID;
CREATE INDEX passage_lives_born ON passage_lives (born);
CREATE INDEX passage_lives_died ON passage_lives (died) WHERE died IS NOT NULL;

-- Embedders whose vectors are kept: the one in use (setting embedder_id) and the one to come (embedder_to_come_id),
-- and what is left of a former one. `fingerprint` is equal only for those whose vectors may be mixed.
CREATE TABLE embedders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,         -- the SPEC that opens it
    fingerprint TEXT NOT NULL UNIQUE,
    dim         INTEGER NOT NULL
);

-- One vector for each embedder and string, shared by all passages with that string.
CREATE TABLE vectors (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- the id in the index
    embedder_id INTEGER NOT NULL REFERENCES embedders (id),
    digest      BLOB NOT NULL,   -- as passages.digest
    data        BLOB NOT NULL,   -- float16, little endian, shape (dim,), unit length before rounding
    UNIQUE (embedder_id, digest)
);

-- Strings that wait for a vector of an embedder, and a passage each to read them from.
CREATE TABLE pending (
    embedder_id INTEGER NOT NULL REFERENCES embedders (id),
    digest      BLOB NOT NULL,
    passage_id  INTEGER NOT NULL REFERENCES passages (id),
    PRIMARY KEY (embedder_id, digest)
) WITHOUT ROWID;
CREATE INDEX pending_newest ON pending (embedder_id, passage_id DESC);

-- Conversations. A plain question is one of a single turn.
CREATE TABLE chats (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    title    TEXT NOT NULL,     -- the first question, as typed
    begun_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL   -- when its last question was asked
);
CREATE INDEX chats_last ON chats (last_ms);

-- One question and its answer. What is here of a source's text goes with that text (chats.py).
CREATE TABLE turns (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id    INTEGER NOT NULL REFERENCES chats (id),
    number     INTEGER NOT NULL,   -- 1, 2, … within the conversation
    at_ms      INTEGER NOT NULL,
    question   TEXT NOT NULL,      -- as typed
    asked_as   TEXT NOT NULL,      -- standing alone, as the sources were asked; else the same
    scope      TEXT NOT NULL,      -- JSON of types.Narrowed: as of when, in which documents
    version    INTEGER NOT NULL,   -- the one that was asked; 0: none was yet
    model      TEXT NOT NULL,      -- who worded the answer
    embedder   TEXT NOT NULL,      -- fingerprint of the one it was found with
    program    TEXT NOT NULL,      -- the rag-lifelong that found it
    was_told   INTEGER NOT NULL,   -- 1: a model worded the answer and was told of the turns before
    answer     TEXT,               -- JSON of types.Answer; NULL: removed with its source
    hits       TEXT NOT NULL,      -- JSON of the types.Hit it was looked for in, best first, without their text
    removed_ms INTEGER,            -- when the answer was removed
    is_case    INTEGER NOT NULL,   -- 1: `replay` asks it again; 0: it was stopped, or stands alone no more since what it carried over is gone
    UNIQUE (chat_id, number)
);

-- Which stored texts a turn holds something of, so that letting go of one reaches it.
CREATE TABLE turn_sources (
    id          INTEGER PRIMARY KEY,
    turn_id     INTEGER NOT NULL REFERENCES turns (id),
    document_id INTEGER NOT NULL REFERENCES documents (id),
    revision_id INTEGER REFERENCES revisions (id),  -- NULL: only the document's path is named
    start       INTEGER NOT NULL,                   -- characters [start, end) of the revision's text
    end         INTEGER NOT NULL,
    is_said     INTEGER NOT NULL                    -- 1: the answer may hold it; 0: it was only found
);
CREATE INDEX turn_sources_turn ON turn_sources (turn_id);
CREATE INDEX turn_sources_document ON turn_sources (document_id, revision_id);
CREATE INDEX turn_sources_revision ON turn_sources (revision_id);

-- What the user said of an answer, last.
CREATE TABLE feedback (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    is_good INTEGER NOT NULL,
    note    TEXT NOT NULL,   -- "" if nothing more
    at_ms   INTEGER NOT NULL
);

-- Small weights beside a frozen language model, taught what some passages say. Active only while all of these live and
-- hold: whatever changes one of them suspends it in the same transaction (manifests.py), and an adapter whose source is
-- let go for good is deleted with it.
CREATE TABLE adapters (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace   TEXT NOT NULL,     -- where its sources were chosen from, as the user named it
    model       TEXT NOT NULL,     -- the model it is for, by name …
    base_digest TEXT NOT NULL,     -- … and by the digest of its weights
    state       TEXT NOT NULL CHECK (state IN ('candidate', 'active', 'suspended', 'rejected', 'retired')),
    reason      TEXT NOT NULL,     -- why it is in that state, for people
    made_ms     INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL,  -- since when it is in that state
    version     INTEGER NOT NULL REFERENCES versions (id),  -- the one that its sources were taken from
    passed      INTEGER NOT NULL,  -- 1: it passed its gates once
    settings    TEXT NOT NULL,     -- JSON: how it was made
    report      TEXT               -- JSON: the figures it was judged by; NULL: not yet
);
CREATE INDEX adapters_alive ON adapters (id) WHERE state IN ('candidate', 'active');

-- The passages it was made from: its manifest.
CREATE TABLE adapter_sources (
    adapter_id  INTEGER NOT NULL REFERENCES adapters (id),
    passage_id  INTEGER NOT NULL REFERENCES passages (id),
    document_id INTEGER NOT NULL REFERENCES documents (id),
    revision_id INTEGER NOT NULL,  -- the last text of the document that was seen to hold it as it is; may be pruned
    digest      BLOB NOT NULL,     -- as passages.digest
    text_digest BLOB NOT NULL,     -- of its context and text, character for character
    PRIMARY KEY (adapter_id, passage_id)
) WITHOUT ROWID;
CREATE INDEX adapter_sources_passage ON adapter_sources (passage_id);
CREATE INDEX adapter_sources_document ON adapter_sources (document_id);

-- What it consists of, and what making it needs while it is under way: of the latter, what holds texts of documents that
-- are no sources of it ("others", "control") goes whenever a text is let go.
CREATE TABLE adapter_parts (
    adapter_id INTEGER NOT NULL REFERENCES adapters (id),
    name       TEXT NOT NULL,      -- "pairs" (JSON), "checkpoint", "weights" (safetensors)
    data       BLOB NOT NULL,
    PRIMARY KEY (adapter_id, name)
);

-- What became of it, oldest first.
CREATE TABLE adapter_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    adapter_id  INTEGER NOT NULL REFERENCES adapters (id),
    at_ms       INTEGER NOT NULL,
    version     INTEGER NOT NULL REFERENCES versions (id),  -- the newest then
    state       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    named_id    INTEGER            -- a document that is no source and that the reason names; NULL: none
);
CREATE INDEX adapter_events_adapter ON adapter_events (adapter_id);
CREATE INDEX adapter_events_named ON adapter_events (named_id) WHERE named_id IS NOT NULL;

-- Words of the living, and of the dead apart, so that BM25's statistics are those of the living.
-- rowid = passages.id; columns hold `terms.terms()` of the context and the text, joined by spaces.
-- Contentless: a row is deleted by telling its exact content. "ascii" keeps every non-ASCII character in its term.
-- Full detail: with detail = column, bm25() of a contentless table is 0 for every row (SQLite 3.40).
CREATE VIRTUAL TABLE words_live USING fts5 (context, body, content = '', tokenize = 'ascii');
CREATE VIRTUAL TABLE words_past USING fts5 (context, body, content = '', tokenize = 'ascii');
CREATE VIRTUAL TABLE words_live_terms USING fts5vocab (words_live, 'row');
-- Every occurrence: what a search as of an earlier version counts.
CREATE VIRTUAL TABLE words_live_at USING fts5vocab (words_live, 'instance');
CREATE VIRTUAL TABLE words_past_at USING fts5vocab (words_past, 'instance');
