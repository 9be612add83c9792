-- A vector store of caller-made nodes, version 1. SQLite is the truth; the index is made from it and can be made again.
-- Numbers ("ids") are given once and never reused; a node that is added again gets a new one, its name stays.

-- Facts about the store itself: 'dim', how long its embeddings are, from the first one added until it is cleared.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row a committed change; by its number and time a copy that went another way is told from this store.
CREATE TABLE versions (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL
);

-- What the index must follow, in order: runs of vectors that came, and of such as went; 'pruned': any may have gone.
CREATE TABLE changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL CHECK (kind IN ('vectors', 'dropped', 'pruned')),
    first_id INTEGER NOT NULL,
    last_id  INTEGER NOT NULL
);

CREATE TABLE nodes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the id of its vector in the index
    name       TEXT NOT NULL UNIQUE,  -- LlamaIndex's node_id
    ref_doc_id TEXT,                  -- the document that it is from; NULL: none is known
    kind       TEXT NOT NULL,         -- LlamaIndex's class_name()
    content    TEXT NOT NULL,         -- the node as JSON, text included, embedding left out
    metadata   TEXT NOT NULL          -- JSON object: what filters look at
);
CREATE INDEX nodes_ref_doc ON nodes (ref_doc_id);

-- Apart from the nodes, so that a filter over all metadata does not read them.
CREATE TABLE embeddings (
    id   INTEGER PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    data BLOB NOT NULL  -- float32, little endian, shape (dim,), as given
);

-- Terms of the nodes' text. It keeps them, so that a row can be deleted by its id alone.
CREATE VIRTUAL TABLE words_live USING fts5 (context, body, tokenize = 'ascii');
