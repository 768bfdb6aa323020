"""The tables of the corpus, as agents' projects make them. PostgreSQL and Holdfast run the very same statements."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2024, 3, 15, 12, 0, tzinfo=UTC)
"""What NOW() says on both sides. CURRENT_TIMESTAMP cannot be told in PostgreSQL and says the real time there."""

SCHEMA: dict[str, str] = {
    "runs": """CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        agent TEXT NOT NULL,
        parent_id TEXT,
        status TEXT NOT NULL DEFAULT 'queued'
            CHECK (status IN ('queued', 'running', 'suspended', 'complete', 'failed', 'cancelled')),
        model TEXT,
        budget NUMERIC(10, 2),
        config JSONB NOT NULL DEFAULT '{}',
        attempts INT NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
        finished_at TIMESTAMPTZ,
        CHECK (finished_at >= created_at))""",
    "iterations": """CREATE TABLE IF NOT EXISTS iterations (
        run_id TEXT,
        step INT,
        action TEXT NOT NULL,
        observation TEXT,
        embedding VECTOR(3),
        state_snapshot JSONB,
        tokens_used INT DEFAULT 0 CHECK (tokens_used >= 0),
        cost NUMERIC(12, 6),
        seconds DOUBLE PRECISION,
        ok BOOLEAN NOT NULL DEFAULT TRUE,
        created_at TIMESTAMP DEFAULT NOW(),
        PRIMARY KEY (run_id, step))""",
    "tool_calls": """CREATE TABLE tool_calls (
        call_id UUID PRIMARY KEY,
        run_id TEXT NOT NULL,
        step INTEGER NOT NULL,
        tool VARCHAR(40) NOT NULL,
        args JSONB,
        result JSONB,
        error TEXT,
        duration_ms INTEGER,
        cached BOOLEAN DEFAULT FALSE,
        called_at TIMESTAMP WITH TIME ZONE)""",
    "conversations": """CREATE TABLE conversations (
        id SERIAL PRIMARY KEY,
        user_id TEXT NOT NULL,
        title VARCHAR(80),
        archived BOOLEAN NOT NULL DEFAULT FALSE,
        metadata JSONB DEFAULT '{}',
        updated_at TIMESTAMPTZ DEFAULT NOW(),
        UNIQUE (user_id, title))""",
    "messages": """CREATE TABLE messages (
        id BIGSERIAL PRIMARY KEY,
        conversation_id INT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
        content TEXT,
        name TEXT,
        tokens INT,
        metadata JSONB,
        created_at TIMESTAMPTZ NOT NULL DEFAULT NOW())""",
    "documents": """CREATE TABLE documents (
        id SERIAL PRIMARY KEY,
        source TEXT NOT NULL,
        chunk INT NOT NULL DEFAULT 0,
        title TEXT,
        body TEXT NOT NULL,
        embedding VECTOR(4),
        metadata JSONB,
        added_on DATE,
        score REAL,
        UNIQUE (source, chunk))""",
    "metrics": """CREATE TABLE metrics (
        name TEXT NOT NULL,
        day DATE NOT NULL,
        value DOUBLE PRECISION,
        count BIGINT NOT NULL DEFAULT 1,
        labels JSONB NOT NULL DEFAULT '{}',
        PRIMARY KEY (name, day))""",
    "jobs": """CREATE TABLE jobs (
        id SERIAL PRIMARY KEY,
        queue TEXT NOT NULL DEFAULT 'default',
        payload JSONB,
        priority INT NOT NULL DEFAULT 0,
        status TEXT NOT NULL DEFAULT 'pending',
        attempts INT NOT NULL DEFAULT 0,
        max_attempts INT DEFAULT 3,
        run_after TIMESTAMPTZ DEFAULT NOW(),
        locked_by TEXT,
        locked_until TIMESTAMPTZ)""",
    "events": """CREATE TABLE events (
        run_id TEXT,
        kind TEXT,
        data JSONB,
        at TIMESTAMP)""",
    "checkpoints": """CREATE TABLE checkpoints (
        thread_id TEXT NOT NULL,
        checkpoint_ns TEXT NOT NULL DEFAULT '',
        checkpoint_id TEXT NOT NULL,
        parent_checkpoint_id TEXT,
        checkpoint JSONB NOT NULL,
        metadata JSONB NOT NULL DEFAULT '{}',
        blob BYTEA,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id))""",
    '"EvalResults"': """CREATE TABLE "EvalResults" (
        "id" INT PRIMARY KEY,
        "modelName" TEXT NOT NULL,
        "taskId" TEXT NOT NULL,
        "score" NUMERIC(5, 2),
        "order" INT,
        "isCorrect" BOOLEAN,
        UNIQUE ("modelName", "taskId"))""",
}
"""Each table's name, as it stands in a statement, and the statement that makes it."""

INDEXES = (
    "CREATE INDEX documents_by_word ON documents USING gin (to_tsvector('english', body))",
    "CREATE INDEX titles_by_word ON documents USING gin (to_tsvector('english', title))",
    "CREATE INDEX messages_by_word ON messages USING gin (to_tsvector('english', content))",
    "CREATE INDEX calls_by_tool ON tool_calls (tool, called_at DESC)",
)
"""Made in the store; words are only searched for where there is an index."""

KEYS: dict[str, tuple[str, ...]] = {
    "runs": ("run_id",),
    "iterations": ("run_id", "step"),
    "tool_calls": ("call_id",),
    "conversations": ("id",),
    "messages": ("id",),
    "documents": ("id",),
    "metrics": ("name", "day"),
    "jobs": ("id",),
    "events": (),
    "checkpoints": ("thread_id", "checkpoint_ns", "checkpoint_id"),
    '"EvalResults"': ("id",),
}
"""The primary key of each table."""

UNIQUE = ("conversations", "documents", '"EvalResults"')
"""The tables with columns that are UNIQUE beside the key."""

NUMBERED = ("conversations", "messages", "documents", "jobs")
"""The tables whose id is given by the database."""

LAST_NUMBER = 1_000_000
"""The last number that was given in each of them, on both sides, so that the next is the same."""
